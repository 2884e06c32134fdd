"""tools/check_reward.py on checkpoints that are good, random and permuted."""

import re

import pytest
import torch

from tests.support.trained_scenes import CONFIGS
from tests.test_tools.shell import TOOLS

pytestmark = pytest.mark.slow

CONFIG = CONFIGS / 'ada/cascade_panoptic_tiny_scenes.py'
METRIC = 'train_cfg.exploration.reward_metric'
LOGITS = ('semantic_head.conv_logits.weight', 'semantic_head.conv_logits.bias')


@pytest.fixture
def check(run, trained_scenes, monkeypatch, capsys):
    """Returns a function that checks state dicts and returns what it says."""
    monkeypatch.setenv('MMADA_SCENES', f'{trained_scenes}/')

    def call(state_dicts, *options, code=0, config=CONFIG):
        paths = []
        for k, entries in enumerate(state_dicts):
            paths.append(trained_scenes / f'checked_{k}.pth')
            torch.save(dict(state_dict=entries), paths[-1])
        capsys.readouterr()
        with pytest.raises(SystemExit) as found:
            run(TOOLS / 'check_reward.py', config, *paths, *options)
        said = capsys.readouterr()
        assert found.value.code == (2 if isinstance(code, str) else code)
        if isinstance(code, str):
            assert code in said.err.splitlines()[-1]
        return said.out

    return call


@pytest.fixture
def weights(trained_scenes):
    return torch.load(trained_scenes / 'checkpoint.pth')['state_dict']


def rules(output):
    return set(re.findall(r'^WARNING \((.*?)\)', output, re.M))


def permuted(weights, order):
    return weights | {name: weights[name][order] for name in LOGITS}


def test_a_trained_checkpoint_passes(check, weights):
    output = check([weights], '--strict', code=1)
    assert rules(output) == {'few reward images'}  # it has two
    assert "exploration's rewards, maximising 'coco_panoptic/PQ'" in output
    reward = float(re.search(r'^reward: (.*)$', output, re.M)[1])
    assert 10 < reward < 100
    assert '1 warning(s)' in output
    assert re.search(r'^percent of pixels: true, predicted; PQ$', output, re.M)
    rows = re.findall(r'^ +([\d.]+) +[\d.]+ +([\d.]+)  \w+$', output, re.M)
    qualities = [float(pq) for true, pq in rows if float(true)]
    # The reward averages over the classes in the truth.
    assert sum(qualities) / len(qualities) == pytest.approx(reward, abs=0.01)


def test_semantic_channels_in_another_order_are_noticed(check, weights):
    swapped = permuted(weights, [1, 0, 3, 2, 4])
    output = check([swapped], '--strict', code=1)
    assert {'category order', 'stuff missing'} <= rules(output)
    called = re.findall(r"'(\w+)' is called '(\w+)'", output)
    pairs = {'sky': 'water', 'water': 'sky', 'grass': 'forest'}
    pairs['forest'] = 'grass'
    assert len(called) > 1
    assert set(called) <= set(pairs.items())
    rolled = permuted(weights, [4, 0, 1, 2, 3])
    assert 'stuff missing' in rules(check([rolled]))


def test_weights_that_do_not_load_are_noticed(check, weights):
    wrong = {f'model.{name}': value for name, value in weights.items()}
    output = check([wrong], '--strict', code=1)
    found = rules(output)
    assert {'weights missing', 'PQ near zero', 'SQ implausible'} <= found
    assert 'no things' in found


def test_two_checkpoints_and_a_sum_of_metrics(check, weights, tmp_path):
    metric = {'_delete_': True}
    metric |= {'coco_panoptic/PQ': 1.0, 'coco_panoptic/PQ_th': -0.5}
    config = tmp_path / 'sum.py'
    config.write_text(
        f'_base_ = {str(CONFIG)!r}\n'
        f'train_cfg = dict(exploration=dict(reward_metric={metric}))\n'
    )
    output = check([weights, weights], config=config)
    (reward, again) = re.findall(r'^reward: (.*)$', output, re.M)
    value = dict(re.findall(r'^(coco_panoptic/\w+): (.*)$', output, re.M))
    expected = float(value['coco_panoptic/PQ']) - 0.5 * float(
        value['coco_panoptic/PQ_th']
    )
    assert float(reward) == pytest.approx(expected, abs=1e-3)
    assert again == reward
    assert 'rewards equal' in rules(output)


def test_fewer_images_and_the_test_data(check, weights):
    output = check(
        [weights],
        *('--max-images', '1'),
        config=CONFIGS / 'baselines/cascade_panoptic_tiny_scenes_ones.py',
    )
    assert 'the test data: the config has no exploration' in output
    assert re.search(r'^images: 1, with a predicted thing', output, re.M)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--cfg-options', f'{METRIC}=no/such'), "'no/such'"),
        (('--max-images', '0'), 'Found 0'),
    ],
)
def test_bad_input_is_an_error(check, weights, options, message):
    check([weights], *options, code=message)


def test_a_file_that_is_no_checkpoint(check, weights, tmp_path):
    (tmp_path / 'text.pth').write_text('hello')
    check([weights], tmp_path / 'text.pth', code='text.pth should be a check')
