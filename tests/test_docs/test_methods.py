"""Each method's page: its example runs, its options are those of the code."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mmada import controllers, weightings
from tests.support import toy
from tests.test_docs.pages import DOCS, read_blocks

WEIGHTINGS = dict(
    static='ScheduledWeighting',
    inverse_loss='InverseLossWeighting',
    dwa='DynamicWeightAverage',
    uncertainty='UncertaintyWeighting',
    rlw='RandomLossWeighting',
    famo='Famo',
    gradnorm='GradNorm',
    aggregators='AggregatorWeighting',
)
SEARCHES = dict(
    slope_search='SlopeSearch',
    ada_segment='AdaSegment',
    pbt='PopulationTraining',
    am_lfs='AmLfs',
    bohb='BohbSearch',
    grid_search='GridSearch',
    random_search='RandomSearch',
)
# Of packages that are not needed by the others.
NEEDS = dict(aggregators='torchjd', bohb='optuna')
# What the loop gives, and what each page would repeat.
LEFT_OUT = {'num_objectives', 'num_rounds', 'num_replicas', 'seed'}
MODEL = dict(
    toy.MODEL, objectives=dict(cls='loss_rpn', bbox='loss_a', seg='loss_b')
)


def example(page: str) -> dict[str, Any]:
    """Runs the example of a page; returns what it sets."""
    if page in NEEDS:
        pytest.importorskip(NEEDS[page])
    (text,) = (
        block.text
        for block in read_blocks(DOCS / f'methods/{page}.md')
        if block.mark and block.mark[0] == 'test'
    )
    found: dict[str, Any] = {}
    exec(text, found)
    del found['__builtins__']
    return found


def options(page: str) -> dict[str, str]:
    """Names and defaults in the table of a page."""
    text = (DOCS / f'methods/{page}.md').read_text()
    rows = re.findall(r'^\| `(\w+)` +\| +(\S+) +\|', text, re.MULTILINE)
    return {name: default.strip('`') for name, default in rows}


def test_each_page_is_of_a_method() -> None:
    pages = {path.stem for path in (DOCS / 'methods').glob('*.md')}
    assert pages == WEIGHTINGS.keys() | SEARCHES.keys()


@pytest.mark.parametrize('page', WEIGHTINGS)
def test_the_example_of_a_weighting_trains(page: str, tmp_path: Path) -> None:
    settings = example(page)
    (hook,) = settings['custom_hooks']
    assert hook['weighting']['type'] == WEIGHTINGS[page]
    wrapper = settings.get('optim_wrapper', {})
    settings['optim_wrapper'] = toy.OPTIM_WRAPPER | wrapper
    toy.runner(tmp_path, model=MODEL, **settings).train()
    lines = (tmp_path / 'weights.jsonl').read_text().splitlines()
    epochs = [json.loads(line)['weights'] for line in lines]
    assert [len(weights) for weights in epochs] == [3, 3, 3]
    assert max(abs(w - 1) for weights in epochs for w in weights) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize('page', SEARCHES)
def test_the_example_of_a_search_explores_and_trains(
    page: str, tmp_path: Path
) -> None:
    settings = example(page)
    exploration = settings.pop('exploration')
    assert exploration['controller']['type'] == SEARCHES[page]
    exploration['iters_per_round'] = 1
    loop = dict(
        type='ExploreThenTrainLoop',
        exploration=toy.exploration(**exploration),
        training=dict(type='EpochBasedTrainLoop', max_epochs=2),
    )
    toy.runner(tmp_path, model=MODEL, train_cfg=loop, **settings).train()
    assert (tmp_path / 'policy.safetensors').is_file()
    assert (tmp_path / 'epoch_2.pth').is_file()


@pytest.mark.parametrize('page', sorted({*WEIGHTINGS, *SEARCHES}))
def test_the_options_are_those_of_the_code(page: str) -> None:
    """Those of a preset of Ada-Segment are compared with it elsewhere."""
    name = (WEIGHTINGS | SEARCHES)[page]
    method = getattr(weightings, name, None) or getattr(controllers, name)
    expected = {
        parameter.name: parameter.default
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        and parameter.name not in LEFT_OUT
    }
    if name == 'AdaSegment':
        assert expected == dict(preset='stable')
        return
    found = {
        option: inspect.Parameter.empty if text == 'required' else eval(text)
        for option, text in options(page).items()
    }
    assert found == expected
