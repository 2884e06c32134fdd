"""What is sent obeys what WandB's and MLflow's backends accept."""

import math
import posixpath
import re

import numpy as np
import pytest
from mmengine.registry import VISBACKENDS
from mmengine.visualization import BaseVisBackend

import mmada.visualization  # noqa: F401  registers the hook
from tests.support import toy

# As mlflow.utils.validation has it.
NAME = re.compile(r'^[/\w.\- ]*$')


@VISBACKENDS.register_module()
class StrictBackend(BaseVisBackend):
    """Refuses what a backend would refuse, drop or overwrite."""

    last = None

    def __init__(self, save_dir):
        super().__init__(save_dir)
        self.scalars, self.images = {}, {}
        StrictBackend.last = self

    def _init_env(self):
        pass

    @property
    def experiment(self):
        return self

    def add_scalar(self, name, value, step=0, **_):
        assert NAME.match(name), name
        assert posixpath.normpath(name) == name and len(name) <= 250
        assert isinstance(value, (int, float)), (name, value)
        assert math.isfinite(value), (name, value)
        steps = self.scalars.setdefault(name, {})
        assert type(step) is int and step > max(steps, default=-1), name
        steps[step] = value

    def add_scalars(self, scalar_dict, step=0, file_path=None, **_):
        assert 'step' not in scalar_dict
        for name, value in scalar_dict.items():
            self.add_scalar(name, value, step)

    def add_image(self, name, image, step=0, **_):
        # MLflow knows the format by the suffix; a slash is a directory that
        # the local backend does not make.
        assert name.endswith('.png') and '/' not in name
        assert image.dtype == np.uint8 and image.shape[-1] == 3
        steps = self.images.setdefault(name, [])
        assert step > max(steps, default=0)
        steps.append(step)


@pytest.fixture(scope='module')
def backend(tmp_path_factory):
    """The backend of a run with two searches and a training."""
    work_dir = tmp_path_factory.mktemp('run')
    searches = [
        toy.exploration(num_rounds=2, directory=name)
        for name in ('first', 'exploration')
    ]
    toy.runner(
        work_dir,
        model=dict(toy.MODEL, objectives={'a+': 'loss_a', 'b/': 'loss_b'}),
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=searches,
            training=dict(type='EpochBasedTrainLoop', max_epochs=2),
        ),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        custom_hooks=[
            dict(type='PolicyWeightingHook'),
            dict(type='ExplorationFigureHook'),
        ],
        visualizer=dict(
            type='Visualizer', vis_backends=[dict(type='StrictBackend')]
        ),
    ).train()
    return StrictBackend.last


def test_each_search_has_names_of_its_own(backend):
    for search in ('first', 'exploration'):
        for name in ('round', 'winner', 'best.score', 'reward.replica3'):
            assert list(backend.scalars[f'{search}/{name}']) == [1, 2]
        assert list(backend.scalars[f'{search}/weights.a_']) == [1, 2]
    assert backend.scalars['first/round'] == {1: 1.0, 2: 2.0}


def test_training_goes_by_iterations_under_other_names(backend):
    assert list(backend.scalars['training/weights.b._']) == [0, 3]
    assert list(backend.scalars['loss']) == [1, 2, 3, 4, 5, 6]


def test_no_name_is_a_directory_of_another(backend):
    names = set(backend.scalars)
    assert not {n for n in names for k in names if k.startswith(f'{n}/')}


def test_a_picture_for_each_round_of_each_search(backend):
    assert backend.images == {
        'first_weights.png': [1, 2],
        'exploration_weights.png': [1, 2],
    }
