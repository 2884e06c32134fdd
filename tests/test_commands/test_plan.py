"""The command `mmada plan`, on a toy search."""

import json

import pytest
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS

from mmada.commands.command_line import main
from mmada.commands.plan import duration
from tests.support import toy
from tests.test_diagnostics.test_plan import planned

PAPER = dict(type='AdaSegment', preset='paper', num_replicas=2)


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """Config file of two rounds of two replicas, and a training."""
    path = tmp_path_factory.mktemp('config') / 'search.py'
    cfg = planned.config(controller=PAPER, num_rounds=2)
    planned.then_train(cfg).dump(path)
    return str(path)


def test_a_table_for_four_numbers_of_gpus_and_one_more(config, capsys):
    status = main(['plan', config, '--gpus', '2', '--iteration-seconds', '90'])
    assert status == 0
    rows = {
        line[:29].strip(): line[29:].split('  ')
        for line in capsys.readouterr().out.splitlines()
    }
    cells = {
        name: [c.strip() for c in row if c.strip()]
        for name, row in rows.items()
    }
    assert cells['GPUs'] == ['1', '2', '8', '64', '256']
    assert cells['waves of all rounds'] == ['4', '2', '2', '-', '-']
    assert cells['groups of ranks'][:3] == ['1 of 1', '2 of 1', '2 of 4']
    # Whole rounds alone take 12 iterations of 90 s.
    assert cells['wall time'][0].endswith(' min')
    assert cells['wall time'][3] == cells['time of all GPUs'][3] == '-'
    # Look, pseudo epoch, four segments; a look and nine iterations.
    assert cells['iterations'][0] == str(1 + 3 + 4 * 3 + 1 + 9)


@pytest.mark.parametrize(
    ('seconds', 'shown'),
    [(None, '-'), (1.5, '1.5 s'), (119, '119 s'), (180, '3.0 min')]
    + [(7199, '120.0 min'), (9000, '2.5 h'), (3.6e6, '1,000.0 h')],
)
def test_a_time_has_a_unit_that_fits(seconds, shown):
    assert duration(seconds) == shown


def test_json_has_the_same_in_seconds_and_bytes(config, capsys):
    # An image of an iteration takes 1 s, an evaluated one 0.5 s.
    options = ['--iteration-seconds', '4', '--image-seconds', '0.5']
    assert main(['plan', config, *options, '--json']) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan['image_seconds'] == dict(trained=1.0, evaluated=0.5)
    assert plan['searches'][0]['parts']['rounds'] == dict(
        iterations=12, images=48
    )
    first = plan['bills'][0]
    # 26 iterations; the check, six evaluations of 12 images, two of 6.
    assert first['images'] == 4 + 6 * 12 + 2 * 6
    assert first['seconds'] == pytest.approx(26 * 4 + 0.5 * first['images'])
    assert first['gpu_hours'] == pytest.approx(first['seconds'] / 3600)


def test_too_many_gpus_are_named(config, capsys):
    assert main(['plan', config, '--gpus', '64']) == 1
    out = capsys.readouterr().out
    assert 'Not possible on 64 GPUs: `dataloader.batch_size`' in out
    assert 'No times: give --iteration-seconds or --probe.' in out


def test_overrides_count(config, capsys):
    rounds = 'train_cfg.exploration.num_rounds=1'
    assert main(['plan', config, '--cfg-options', rounds, '--json']) == 0
    (search,) = json.loads(capsys.readouterr().out)['searches']
    assert search['rounds'] == 1


def test_a_training_is_refused_in_a_line(tmp_path, capsys):
    path = tmp_path / 'training.py'
    path.write_text("train_cfg = dict(type='IterBasedTrainLoop')\n")
    with pytest.raises(SystemExit, match='2'):
        main(['plan', str(path)])
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith(
        'mmada plan: error: `train_cfg.type` should be '
        'ParallelExplorationLoop or ExploreThenTrainLoop, which search. '
    )


@pytest.mark.parametrize(
    ('options', 'problem'),
    [
        (['--gpus', '0'], '--gpus: should be at least 1. Found 0.'),
        (['--image-seconds', '1'], 'goes with --iteration-seconds'),
        (['--probe', '--iteration-seconds', '1'], 'not allowed with'),
    ],
)
def test_options_that_do_not_fit(options, problem, capsys):
    with pytest.raises(SystemExit, match='2'):
        main(['plan', __file__, *options])
    assert problem in capsys.readouterr().err


@MODELS.register_module()
class PartlyFrozenDetector(toy.ToyDetector):
    """With a trunk that is not trained, and a part of a head."""

    def __init__(self):
        super().__init__()
        self.trunk.requires_grad_(False)
        self.head_b.bias.requires_grad_(False)


def test_frozen_parameters_take_one_line(config, tmp_path, capfd):
    path = tmp_path / 'frozen.py'
    path.write_text(
        f'_base_ = {config!r}\n'
        "model = dict(detector=dict(type='PartlyFrozenDetector'))\n"
        'optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=0.0))\n'
    )
    assert main(['plan', str(path)]) == 0
    lines = [x for x in capfd.readouterr().err.splitlines() if 'trunk' in x]
    assert lines == ['Frozen: 5 parameter(s), of trunk (4), head_b (1).']


@HOOKS.register_module()
class UnknownToReplicasHook(Hook):
    """Does something in a training, and does not say it of replicas."""

    def after_train_iter(self, runner, **kwargs):
        """Do it."""


def test_hooks_that_a_search_would_refuse_are_refused(
    config, tmp_path, capsys
):
    path = tmp_path / 'hooked.py'
    path.write_text(
        f'_base_ = {config!r}\n'
        "custom_hooks = [dict(type='PolicyWeightingHook'), "
        "dict(type='UnknownToReplicasHook')]\n"
    )
    with pytest.raises(SystemExit, match='2'):
        main(['plan', str(path)])
    assert 'Found UnknownToReplicasHook, which does' in capsys.readouterr().err
