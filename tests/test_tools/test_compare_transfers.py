"""Policies of one problem on another, in the comparison."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS

from tests.support.scripts import load

MOVED = 'Ada-Segment of cascade'
TUNED = 'SlopeSearch of tuning'


@pytest.fixture
def tools():
    names = ('compare', 'jobs', 'method', 'methods', 'problems', 'selection')
    return SimpleNamespace(
        **{name: load(f'benchmarks/compare/{name}.py') for name in names}
    )


def jobs_of(tools, name, seed=2):
    problem = tools.problems.ALL[name]
    return tools.jobs.jobs_of(problem, tools.methods.METHODS[MOVED], seed)


@pytest.mark.parametrize(
    'name', ['misscaled', 'small_things', 'longer', 'deeper']
)
def test_the_search_is_that_of_cascade(tools, name):
    cascade, problem = (tools.problems.ALL[n] for n in ('cascade', name))
    start, search, train = jobs_of(tools, name)
    assert start == tools.jobs.pretrain_job(cascade)
    assert search == tools.jobs.search_job(cascade, 'Ada-Segment', 2)
    assert train.problem == problem
    assert train.source == cascade
    assert set(train.needs) == {problem.start, search.key}
    planned = tools.compare.plan(
        [(problem, tools.methods.METHODS[MOVED])], [2]
    )
    keys = [job.key for job in planned]
    assert len(set(keys)) == len(keys)
    for i, job in enumerate(planned):
        assert set(job.needs) <= set(keys[:i])


def test_a_policy_of_another_draw_is_no_cost_of_the_row(tools):
    name = 'SlopeSearch of kinds +rpn, first half'
    drawn, right = (
        tools.problems.ALL[n] for n in ('camvid, misscaled', 'camvid')
    )
    row = tools.methods.METHODS[f'{name}, of draw 1']
    expected = tools.jobs.search_job(drawn, name, 1)
    for problem in (drawn, right):
        assert tools.jobs.is_applicable(problem, row)
        search, train = tools.jobs.jobs_of(problem, row, 2)
        assert search == expected
        assert train.needs == (expected.key,)
        assert (train.problem, train.seed) == (problem, 2)
    own = tools.methods.METHODS[name]
    assert tools.jobs.result_job(drawn, own, 2).key != train.key


def test_small_problems_take_small_policies(tools):
    small = tools.problems.quick(tools.problems.ALL['longer'])
    assert small.epochs == 4
    method = tools.methods.METHODS[MOVED]
    source = tools.jobs.source_of(small, method)
    assert source == tools.problems.quick(tools.problems.ALL['cascade'])


def test_the_source_has_the_detector_of_the_problem(tools):
    every = tools.problems.ALL
    method = tools.methods.METHODS[TUNED]
    found = {
        name: tools.jobs.source_of(every[name], method).name
        for name in ('cascade', 'misscaled', 'deeper', 'panoptic_fpn')
    }
    assert found.pop('panoptic_fpn') == 'tuning, panoptic_fpn'
    assert set(found.values()) == {'tuning'}
    # Nobody searched elsewhere with this detector.
    moved = tools.methods.METHODS[MOVED]
    assert not tools.jobs.is_applicable(every['panoptic_fpn'], moved)


def test_another_source_is_another_job(tools, monkeypatch):
    before = jobs_of(tools, 'longer')[-1].key
    cascade = tools.problems.ALL['cascade']._replace(lr=0.1)
    monkeypatch.setitem(tools.problems.ALL, 'cascade', cascade)
    assert jobs_of(tools, 'longer')[-1].key != before


def test_the_policy_is_used_after_a_probe(tools, tmp_path):
    problem = tools.problems.ALL['deeper']
    cfg = tools.problems.base_config(problem, tmp_path, 0)
    assert cfg.model.detector.backbone.depth == 34
    policy = tmp_path / 'policy.pth'
    method = tools.methods.METHODS[MOVED]
    tools.method.apply_method(method, cfg, policy, None)
    assert cfg.custom_hooks[-1] == dict(
        type='PolicyWeightingHook',
        mode='comb',
        fallback='policy',
        initial_losses='probe',
        policy=str(policy),
    )


def test_longer_is_cascade_with_more_epochs(tools):
    cascade, longer = (tools.problems.ALL[n] for n in ('cascade', 'longer'))
    assert longer == cascade._replace(name='longer', epochs=12)
    assert longer.start == cascade.start
    assert longer.key[-8:] != cascade.key[-8:]


def test_rows_go_where_they_fit(tools):
    every = tools.problems.ALL
    problems = [every[n] for n in ('cascade', 'panoptic_fpn', 'deeper')]
    methods = list(tools.methods.METHODS.values())
    pairs = [
        (problem.name, method.name)
        for problem, method in tools.selection.select_pairs(
            problems, methods, named=False
        )
    ]
    everything = set(tools.methods.METHODS)
    on_cascade = {m for p, m in pairs if p == 'cascade'}
    assert on_cascade == everything - {MOVED}
    on_fpn = {m for p, m in pairs if p == 'panoptic_fpn'}
    # CamVid with wrong scales is no problem of this detector.
    assert on_fpn == {m for m in everything if ' of draw' not in m} - {MOVED}
    on_deeper = {m for p, m in pairs if p == 'deeper'}
    searched = {'Ada-Segment', MOVED, TUNED, 'SlopeSearch from ones of tuning'}
    free = {'ones', 'inverse-loss', 'uncertainty', 'region proposals x0.35'}
    assert on_deeper == searched | free

    dwa = tools.methods.METHODS['DWA']
    named = tools.selection.select_pairs(problems, [dwa], named=True)
    assert [problem for problem, _ in named] == problems


@pytest.mark.parametrize(
    'names', [['cascade'], ['panoptic_fpn'], ['cascade', 'panoptic_fpn']]
)
def test_a_row_that_fits_nowhere_is_refused(
    tools, tmp_path, monkeypatch, names
):
    monkeypatch.setattr(tools.compare, 'run_jobs', lambda *_: None)
    arguments = [str(tmp_path / 'x'), '--methods', 'ones', MOVED]
    message = f"'{MOVED}', which fits none of '{names[0]}'"
    with pytest.raises(ValueError, match=message):
        tools.compare.main([*arguments, '--problems', *names])
    assert not (tmp_path / 'x').exists()


def test_what_is_asked_for_by_default(tools, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(tools.compare, 'prepare_images', lambda *_: None)
    monkeypatch.setattr(
        tools.compare, 'run_jobs', lambda jobs, *_: asked.extend(jobs)
    )
    tools.compare.main([str(tmp_path), '--seeds', '0'])
    names = {job.problem.name for job in asked}
    sources = {'tuning', 'tuning, panoptic_fpn'}
    assert names == {*tools.problems.PROBLEMS, 'longer', 'deeper', *sources}
    on_tuning = {job.name for job in asked if job.problem.name in sources}
    searches = {'SlopeSearch +rpn', 'SlopeSearch from ones'}
    assert on_tuning == {'', *searches}  # and what all start at
    moved = {job.problem.name for job in asked if job.name == MOVED}
    assert moved == {'misscaled', 'small_things', 'longer', 'deeper'}


def test_keys_of_what_has_results_stay(tools):
    drawn = tools.problems.ALL.keys() - tools.problems.REAL.keys()
    every = {name: tools.problems.ALL[name] for name in drawn}
    found = {name: (p.key[-8:], p.start[-8:]) for name, p in every.items()}
    assert found == {
        'cascade': ('d0b9a549', 'dbfd5669'),
        'tuning, misscaled': ('3585b2f2', '1db0435c'),
        'panoptic_fpn': ('5f590e68', '7184afce'),
        'small_things': ('edb8884b', '501a54ed'),
        'misscaled': ('7356692b', 'dbfd5669'),
        'longer': (found['longer'][0], 'dbfd5669'),
        'deeper': found['deeper'],
        'tuning': ('5ad37f3c', '1db0435c'),
        'tuning, panoptic_fpn': found['tuning, panoptic_fpn'],
        'tuning, lr x0.5': ('0012835c', '1db0435c'),
        'tuning, lr x2': ('5c0196c1', '1db0435c'),
        'tuning, trunk x0.4': ('3176f993', '1db0435c'),
        'tuning, trunk x2.5': ('61c5d60a', '1db0435c'),
        'tuning, constant': ('aeba6cb5', '1db0435c'),
        'tuning, constant, lr x0.5': ('a44d53f9', '1db0435c'),
        'tuning, steps': ('aa25092e', '1db0435c'),
    }
    assert len(set(found.values())) == len(found)
    assert found['deeper'][1] not in ('dbfd5669', '7184afce', '501a54ed')


@pytest.mark.parametrize(
    ('name', 'rates'),
    [
        ('tuning', [1, 0.75, 0.25]),
        ('tuning, constant', [1, 1, 1]),
        ('tuning, steps', [1, 1, 0.1]),
    ],
)
def test_courses_of_the_learning_rate(tools, tmp_path, name, rates):
    """At the start, after two and after four of the six epochs."""
    cfg = tools.problems.base_config(tools.problems.ALL[name], tmp_path, 0)
    (course,) = cfg.param_scheduler
    course.pop('convert_to_iter_based', None)  # one step is an epoch here
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = PARAM_SCHEDULERS.build(
        dict(course, optimizer=optimizer, end=cfg.train_cfg.max_epochs)
    )
    found = [1.0]
    for _ in range(2):
        for _ in range(2):
            optimizer.step()
            scheduler.step()
        found.append(optimizer.param_groups[0]['lr'])
    assert found == pytest.approx(rates)


def test_pretraining_knows_no_course_of_the_comparison(tools):
    every = tools.problems.ALL
    assert every['tuning, steps'].start == every['tuning'].start
    assert every['tuning, steps'].key != every['tuning'].key
