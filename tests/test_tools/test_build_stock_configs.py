"""Stock configs, bare and weighted: a sample, and faults that are seen."""

from __future__ import annotations

import re

import pytest
from mmengine.model import BaseModel
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from tests.support.scripts import load

stock = load('dev/build_stock_configs.py')


@MODELS.register_module()
class Small(BaseModel):
    """One layer."""

    def __init__(self, size=1):
        super().__init__()
        self.head = nn.Linear(1, size)

    def forward(self, inputs):
        return self.head(inputs)


@MODELS.register_module()
class Growing(Small):
    """Each one that is built has another size."""

    built = 0

    def __init__(self):
        Growing.built += 1
        super().__init__(Growing.built)


@MODELS.register_module()
class Tracking(Small):
    """Has an option that a config of a weighted model has as well."""

    def __init__(self, detector):
        super().__init__(detector.size)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SlowerWhereWeighted(DefaultOptimWrapperConstructor):
    """Trains a weighted model at a tenth of the rate."""

    def __call__(self, model):
        optim_wrapper = super().__call__(model)
        if hasattr(model, 'objective_weights'):
            for group in optim_wrapper.optimizer.param_groups:
                group['lr'] /= 10
        return optim_wrapper


def tried(tmp_path, **config):
    path = tmp_path / 'config.py'
    path.write_text(''.join(f'{k} = {v!r}\n' for k, v in config.items()))
    result = stock.try_config('mmdet/toys/config.py', path)
    return result and (result['outcome'], result['reason'])


OPTIM_WRAPPER = dict(optimizer=dict(type='SGD', lr=0.1, weight_decay=0.5))


def test_a_model_with_its_optimizer(tmp_path):
    model = dict(
        type='Small', init_cfg=dict(type='Pretrained', checkpoint='none')
    )
    paramwise = dict(bias_decay_mult=0.0)
    wrapper = dict(OPTIM_WRAPPER, paramwise_cfg=paramwise)
    # It has no option `init_cfg`: what names a checkpoint is left out.
    assert tried(tmp_path, model=model) == ('built', '')
    assert tried(tmp_path, model=model, optim_wrapper=wrapper) == ('built', '')


def test_the_options_of_each_parameter():
    wrapper = dict(OPTIM_WRAPPER, paramwise_cfg=dict(bias_decay_mult=0.0))
    options = stock.optimizer_options(Small(), wrapper)
    decay = {name: o['weight_decay'] for name, o in options.items()}
    assert decay == {'head.weight': 0.5, 'head.bias': 0.0}


def test_a_config_without_a_model_does_not_count(tmp_path):
    assert tried(tmp_path, optim_wrapper=OPTIM_WRAPPER) is None


def test_what_cannot_be_built_bare_is_no_fault(tmp_path):
    outcome, reason = tried(tmp_path, model=dict(type='Small', depth=1))
    assert outcome == 'not bare'
    assert reason.startswith('TypeError: ')


def test_other_parameters_are_a_fault(tmp_path):
    found = tried(tmp_path, model=dict(type='Growing'))
    assert found == ('fault', 'Other parameters than those of the bare model.')


def test_an_option_of_the_same_name_stays_the_models(tmp_path):
    model = dict(type='Tracking', detector=dict(size=3))
    assert tried(tmp_path, model=model) == ('built', '')


def test_another_learning_rate_is_a_fault(tmp_path):
    wrapper = dict(OPTIM_WRAPPER, constructor='SlowerWhereWeighted')
    outcome, reason = tried(
        tmp_path, model=dict(type='Small'), optim_wrapper=wrapper
    )
    assert outcome == 'fault'
    assert reason.startswith('2 parameters: head.bias: ')
    assert "'lr': 0.1," in reason
    assert "'lr': 0.01," in reason


def row(config, outcome, reason=''):
    return dict(config=config, outcome=outcome, reason=reason)


def test_the_table_by_hand(tmp_path):
    results = [
        row('mmdet/detr/a.py', 'built'),
        row('mmseg/_base_/models/b.py', 'built'),
        row('mmseg/_base_/models/c.py', 'built'),
        row('mmdet/sort/d.py', 'built'),
        row('mmdet/sort/e.py', 'not bare', 'why\nin detail'),
        row('mmdet/sort/f.py', 'not bare', 'why'),
    ]
    page = tmp_path / 'page.md'
    before, after = stock.MARKS
    page.write_text(f'a\n{before}old{after}\nb\n')
    stock.write_table(results, page)
    table = stock.table(results)
    assert page.read_text() == f'a\n{before}{table}{after}\nb\n'
    first, *_, last = table.splitlines()
    assert first == 'All 3 configs of: detr (1), mmseg (2).'
    assert last == '| sort | 3 | 1 | 2: `why` |'


@pytest.mark.parametrize(
    ('reason', 'words'),
    [
        ('RuntimeError: lap: pip install lap', 'needs lap'),
        ("KeyError: No module named 'timm'", 'needs timm'),
        ("TypeError: missing 1 argument: 'head'", 'lacks the option `head`'),
        (
            'FileNotFoundError: [Errno 2] a.py',
            'inherits from a file that is not there',
        ),
        ('TypeError: one  more\n of it', '`TypeError: one more`'),
    ],
)
def test_reasons_in_words(reason, words):
    assert stock.in_words(reason) == words


@pytest.mark.slow
def test_one_config_of_each_family():
    """What the page calls built is, where its packages are installed."""
    configs = stock.stock_configs()
    sample = {stock.family_of(name): name for name in configs}
    page = stock.PAGE.read_text().split(stock.MARKS[0])[1].split('\n\n')[0]
    whole = set(re.findall(r'(\S+) \(\d+\)', page))
    assert len(whole & set(sample)) > 80
    for family, name in sample.items():
        result = stock.try_config(name, configs[name])
        if result is None or result['outcome'] == 'built':
            continue
        assert result['outcome'] != 'fault', result
        needs = stock.in_words(result['reason']).startswith('needs ')
        assert family not in whole or needs, result
