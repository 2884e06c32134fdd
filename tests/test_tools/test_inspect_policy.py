import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import safetensors.torch
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from mmada.controllers import ConstantPolicy, PolicyEnsemble
from mmada.engine import load_policy, save_policy
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.policies.policy_file import _digest, _read_header
from mmada.surrogates import save_curve
from tests.support import toy
from tests.support.scripts import exit_code, load

SCRIPT = Path(__file__).resolve().parents[2] / 'tools/inspect_policy.py'


@MODELS.register_module()
class SureDetector(toy.ToyDetector):
    """Without dropout, so that its losses can be computed apart."""

    def __init__(self):
        super().__init__()
        self.trunk[-1].p = 0.0


MODEL = dict(toy.MODEL, detector=dict(type='SureDetector'))


class Result(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def inspect(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, arguments)])
        status = exit_code(load('inspect_policy.py').main)
        return Result(status, *capsys.readouterr())

    return run


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    """Work directory of a search and a training, with the toy's config."""
    path = tmp_path_factory.mktemp('run')
    toy.runner(path, train_cfg=toy.exploration(num_rounds=2)).train()
    Config(
        dict(
            custom_imports=dict(imports=[__name__]),
            default_scope='mmengine',
            model=MODEL,
            train_dataloader=toy.dataloader(),
            optim_wrapper=toy.OPTIM_WRAPPER,
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
            randomness=dict(seed=7),
        )
    ).dump(path / 'config.py')
    return path


def constant(path, weights, names, **provenance):
    policy = ConstantPolicy.of(torch.tensor(weights).double())
    ones = torch.ones(len(weights)).double()
    ensemble = PolicyEnsemble(
        (policy.requires_grad_(False),), ones, ones.clone(), objectives=names
    )
    return save_policy(path, ensemble, provenance)


def test_a_policy_of_a_search_that_learned_nothing(inspect, tmp_path):
    path = constant(
        tmp_path / 'p.safetensors',
        [2.0, 1.0],
        ('a', 'b'),
        nothing_learned='all replicas of all rounds scored 0 (PQ)',
    )
    told = 'The search learned nothing: all replicas of all rounds scored 0'
    assert f'warning: {told}' in inspect(path).out
    assert told in json.loads(inspect(path, '--json').out)['warnings'][0]


def test_tables_for_a_person(inspect, tmp_path):
    path = constant(tmp_path / 'p.safetensors', [4.0, 0.25], ('cls', 'box'))
    result = inspect(path, '--epochs', 2)
    assert result.status == 0
    assert result.out.splitlines()[5:] == [
        'warning: cls is weighted 16 times as much as box.',
        '',
        'The first period in each `mode` of PolicyWeightingHook, with the '
        'initial losses of the search:',
        '                cls   box',
        'loss              1     1',
        'weight, final     1     1',
        'weight, pred      4  0.25',
        'weight, single    4  0.25',
        'weight, comb      4  0.25',
        '',
        'The last policy when one loss changes, the others at the initial '
        'losses:',
        'loss       cls   box',
        'cls x0.25    4  0.25',
        'cls x0.5     4  0.25',
        'cls x2       4  0.25',
        'cls x4       4  0.25',
        'box x0.25    4  0.25',
        'box x0.5     4  0.25',
        'box x2       4  0.25',
        'box x4       4  0.25',
        '',
        'The combined policies (Eq. 7) over a training of 2 periods '
        '(`--epochs`), which are epochs or what `interval` of the hook says, '
        'same losses:',
        'period  cls   box',
        '1 to 2    4  0.25',
    ]
    assert 'negative sample: not known' in result.out


def test_a_dry_run_gives_the_weights_for_the_losses_of_the_model(
    inspect, work_dir, tmp_path
):
    policy, config = work_dir / 'policy.safetensors', work_dir / 'config.py'
    report = json.loads(inspect(policy, '--json', '--config', config).out)
    found = report['dry_run']
    # The very losses of the first batches, computed apart.
    runner = toy.runner(tmp_path, model=MODEL)
    runner._init_model_weights()
    assert found['objectives'] == ['a', 'b']
    expected = _losses(runner)
    assert found['losses'] == pytest.approx(expected, rel=1e-5)
    losses = torch.tensor(found['losses'], dtype=torch.float64)
    ensemble = load_policy(policy)
    assert found['modes']['single'] == ensemble.last_weights(losses).tolist()
    assert found['modes']['comb'] == pytest.approx(
        ensemble.weights(1, 3, losses).tolist()
    )
    assert len(report['epochs']) == 3  # of the config
    assert found['warnings'] == []
    # Another checkpoint has other losses.
    explored = work_dir / 'explored.pth'
    arguments = policy, '--json', '--config', config, '--checkpoint', explored
    trained = json.loads(inspect(*arguments).out)['dry_run']
    assert sum(trained['losses']) < sum(found['losses'])


def test_a_dry_run_says_for_which_hook_it_is(inspect, work_dir, tmp_path):
    """By default a hook takes the losses that the search stored."""
    path = constant(tmp_path / 'p.safetensors', [1.0, 2.0], ('a', 'b'))
    said = inspect(path, '--config', work_dir / 'config.py').out
    assert (
        "start with if its PolicyWeightingHook has `initial_losses='p" in said
    )


@pytest.mark.parametrize(
    ('train_cfg', 'interval', 'expected'),
    [
        # An epoch has three iterations.
        (dict(type='IterBasedTrainLoop', max_iters=20), None, 7),
        (dict(type='IterBasedTrainLoop', max_iters=20), 2, 10),
        (dict(type='EpochBasedTrainLoop', max_epochs=4), 5, 3),
        (toy.exploration(), None, 12),  # no training follows
    ],
)
def test_it_looks_ahead_as_far_as_the_config_trains(
    inspect, work_dir, tmp_path, train_cfg, interval, expected
):
    policy = work_dir / 'policy.safetensors'
    config = Config.fromfile(work_dir / 'config.py')
    config.train_cfg = train_cfg
    config.custom_hooks = [
        dict(type='EpochSeedHook'),
        dict(type='PolicyWeightingHook', interval=interval),
    ]
    config.dump(tmp_path / 'config.py')
    options = '--json', '--config', tmp_path / 'config.py'
    report = json.loads(inspect(policy, *options).out)
    assert len(report['epochs']) == expected
    report = json.loads(inspect(policy, *options, '--epochs', 2).out)
    assert len(report['epochs']) == 2


def _losses(runner):
    """Mean losses of the dry run's batches by a loop of their own."""
    model = runner.model
    loader = SegmentLoader(toy.dataloader(), 4, 7)
    sums = [0.0, 0.0]
    model.train()
    with torch.no_grad():
        for batch in loader.segment(0):
            losses = model(**batch, mode='loss')
            sums[0] += float(losses['loss_a'])
            sums[1] += float(sum(b.mean() for b in losses['loss_b']))
    return [total / 4 for total in sums]


@MODELS.register_module()
class UntargetedDetector(toy.ToyDetector):
    """Has nothing to learn for its `loss_b`."""

    def forward(self, x, y, mode='tensor'):
        losses = super().forward(x, y, mode)
        if mode == 'loss':
            losses['loss_b'] = [loss * 0 for loss in losses['loss_b']]
        return losses


def test_a_loss_that_is_not_measured_is_no_number(inspect, work_dir, tmp_path):
    config = Config.fromfile(work_dir / 'config.py')
    config.model.detector.type = 'UntargetedDetector'
    config.dump(tmp_path / 'config.py')
    arguments = work_dir / 'policy.safetensors', '--config'
    arguments = *arguments, tmp_path / 'config.py'
    found = json.loads(inspect(*arguments, '--json').out)['dry_run']
    assert found['losses'][0] > 0 and found['losses'][1] is None
    assert 'not measured' in inspect(*arguments).out


def test_names_that_do_not_fit_the_config(inspect, work_dir, tmp_path):
    path = constant(tmp_path / 'p.safetensors', [1.0, 2.0], ('a', 'c'))
    result = inspect(path, '--config', work_dir / 'config.py')
    assert result.status == 0
    assert result.out.splitlines()[-1] == (
        'warning: The objectives differ: the policy does not know b; the '
        'config does not have c. A training would reject it.'
    )


HOOK = dict(type='PolicyWeightingHook', objectives=toy.OBJECTIVES)
TARGET = dict(type='LossWeights', objectives=toy.OBJECTIVES)


@pytest.mark.parametrize(
    'options',
    [
        dict(custom_hooks=[dict(type='EpochSeedHook'), HOOK]),
        dict(train_cfg=toy.exploration(target=TARGET)),
        dict(
            train_cfg=dict(
                type='ExploreThenTrainLoop',
                exploration=(toy.exploration(target=TARGET),),
                training=dict(type='EpochBasedTrainLoop', max_epochs=3),
            )
        ),
        {},
    ],
)
def test_a_stock_model_has_the_objectives_of_its_hook_or_search(
    inspect, work_dir, tmp_path, options
):
    path = constant(tmp_path / 'p.safetensors', [1.0, 2.0], ('a', 'b'))
    config = Config.fromfile(work_dir / 'config.py')
    config.model = config.model.detector
    config.merge_from_dict(options)
    config.dump(tmp_path / 'plain.py')
    arguments = path, '--json', '--config', tmp_path / 'plain.py'
    found = json.loads(inspect(*arguments).out)['dry_run']
    auto = ['loss_rpn', 'loss_a', 'loss_b']
    assert found['objectives'] == (['a', 'b'] if options else auto)


def test_a_config_that_is_none(inspect, tmp_path):
    path = constant(tmp_path / 'p.safetensors', [1.0, 2.0], ('a', 'b'))
    (tmp_path / 'broken.py').write_text('model = (')
    result = inspect(path, '--config', tmp_path / 'broken.py')
    assert (result.status, result.out) == (2, '')
    assert f'{tmp_path}/broken.py should be a config' in result.err


def other_schema(path):
    header = _read_header(path.read_bytes())
    tensors = safetensors.torch.load(path.read_bytes())
    del header['sha256']
    header['schema'] = 9
    header['sha256'] = _digest(header, tensors)
    data = safetensors.torch.save(
        tensors, {'mmada_policy': json.dumps(header)}
    )
    path.write_bytes(data)


def test_a_curve_file_is_shown_as_points(inspect, tmp_path):
    points = [0.1, 0.2, 0.4, 0.3, 0.9, 0.8]
    path = save_curve(tmp_path / 'c.json', 'mAcc', points, dict(config='a.py'))
    lines = inspect(path).out.splitlines()
    assert lines[1] == 'from: {"config": "a.py"}'
    assert [line.split() for line in lines[4:6]] == [
        ['curve', 'x1', 'y1', 'x2', 'y2', 'x3', 'y3'],
        ['h1', *map(str, points)],
    ]
    assert lines[-1].endswith(f"metric='mAcc', theta='{path}')")
    report = json.loads(inspect(path, '--json').out)
    assert report['points'] == [[[0.1, 0.2], [0.4, 0.3], [0.9, 0.8]]]


def test_a_curve_file_is_not_tried_on_batches(inspect, tmp_path):
    path = save_curve(tmp_path / 'c.json', 'mAcc', [0.5] * 6)
    result = inspect(path, '--config', __file__)
    assert result.status == 2
    assert f'Found the curve file {path}.' in result.err


def test_a_checkpoint_is_said_to_be_one(inspect, tmp_path):
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(state_dict=dict(a=torch.ones(1))), path)
    result = inspect(path)
    assert (result.status, result.out) == (2, '')
    (line,) = result.err.splitlines()
    assert f'Found {path}, which is a checkpoint; a search leaves' in line
    policy = constant(tmp_path / 'policy.safetensors', [1.0, 2.0], ('a', 'b'))
    assert f'the policy of its run is {policy}.' in inspect(path).err


@pytest.mark.parametrize(
    ('harm', 'reason'),
    [
        (lambda p: p.write_text('{}'), 'not in the safetensors format'),
        (lambda p: p.write_bytes(p.read_bytes()[:-8]), 'malformed'),
        (
            other_schema,
            '`schema` should be 1, which this version of mmada reads. Found 9',
        ),
    ],
)
def test_files_that_are_no_policy_end_with_one_line(
    inspect, tmp_path, harm, reason
):
    path = constant(tmp_path / 'p.safetensors', [1.0, 2.0], ('a', 'b'))
    harm(path)
    result = inspect(path)
    assert (result.status, result.out) == (2, '')
    (line,) = result.err.splitlines()
    assert line.startswith('inspect_policy: ')
    assert str(path) in line
    assert reason in line


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (['--epochs', 0], '--epochs: should be at least 1. Found 0'),
        (
            ['--disagreement', 0.5],
            '--disagreement: should be at least 1. Found 0.5',
        ),
        (['--checkpoint', __file__], '--checkpoint needs --config'),
    ],
)
def test_options_out_of_range(inspect, arguments, reason):
    result = inspect(__file__, *arguments)
    assert result.status == 2
    assert reason in result.err


def test_json_is_nothing_but_json_in_a_process_of_its_own(work_dir):
    path = work_dir / 'policy.safetensors'
    done = subprocess.run(
        [sys.executable, SCRIPT, path, '--json'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)['schema'] == 1
