"""The comparison of all methods: the real thing, very small."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import Future
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from mmada.datasets import SceneOptions
from tests.support.scripts import load

MODULES = (
    'compare',
    'cost',
    'equal_terms',
    'figure',
    'intervals',
    'jobs',
    'method',
    'methods',
    'problems',
    'results',
    'rows',
    'run_job',
    'selection',
    'tables',
    'variants',
    'weight_effects',
)


@pytest.fixture
def tools():
    return SimpleNamespace(
        **{name: load(f'benchmarks/compare/{name}.py') for name in MODULES}
    )


@pytest.fixture
def problem(tools):
    num = dict(train=8, reward=4, test=6)
    return tools.problems.Problem(
        'minute',
        SceneOptions((64, 96), num, 3, 6.0),
        config='panoptic_fpn_tiny_scenes_ones.py',
        objectives='panoptic_fpn',
        pretraining=1,
        epochs=1,
        replicas=2,
        drawn_scale=8.0,
    )


def run_here(function, *arguments):
    """Runs what is sent to another process in this one."""
    function, arguments = pickle.loads(pickle.dumps((function, arguments)))
    future = Future()
    future.set_result(function(*arguments))
    return future


@pytest.fixture
def short_path(tmp_path_factory):
    """A folder whose configs are soon laid out: yapf is slow on long lines."""
    return tmp_path_factory.mktemp('c')


def test_each_row_has_a_colour(tools):
    groups = {row.group for row in tools.methods.METHODS.values()}
    assert groups == set(tools.figure.COLORS)


@pytest.mark.slow
def test_methods_run_once(tools, problem, monkeypatch, short_path, capsys):
    problem = problem._replace(name='cascade')
    other = problem._replace(name='other', epochs=2)
    monkeypatch.setitem(tools.problems.ALL, 'cascade', problem)
    monkeypatch.setitem(tools.problems.ALL, 'other', other)
    arguments = [str(short_path), '--seeds', '0', '--jobs', '1', '--methods']
    moved = [*arguments, 'Ada-Segment of cascade', '--problems', 'other']
    arguments += ['ones', 'Ada-Segment', 'Ada-Segment-A']
    arguments += ['--problems', 'cascade']
    results = tools.results.Results(short_path / 'results.jsonl')
    # One in a process of its own, the others where they cost less.
    tools.problems.prepare_images(problem, short_path)
    start = tools.jobs.pretrain_job(problem)
    tools.compare.run_jobs([start], short_path, results, 1)
    here = nullcontext(SimpleNamespace(submit=run_here))
    monkeypatch.setattr(
        tools.compare, 'ProcessPoolExecutor', lambda *arguments: here
    )
    monkeypatch.setattr(Config, 'pretty_text', property(repr))
    tools.compare.main(arguments)
    first = results.path.read_text()
    records = [json.loads(line) for line in first.splitlines()]
    assert [record['error'] for record in records] == [''] * 5
    kinds = [record['kind'] for record in records]
    assert kinds == ['pretrain', 'unit', 'train', 'search', 'train']
    ones, search, ours = records[2:]
    # An epoch of 8 images, 4 at a time.
    assert ones['counts']['iterations'] == 2
    assert ones['counts']['images'] == 0
    # A look at the model, the pseudo epoch, and two replicas.
    assert search['counts']['iterations'] == 1 + 3 * 2
    # One batch for a check, the rest evaluations of 4 reward images.
    assert search['counts']['images'] == 4 + 3 * 4
    assert ours['counts']['iterations'] == 1 + 2
    assert (short_path / 'compare.png').stat().st_size > 10_000
    table = (short_path / 'table.md').read_text()
    for name in ('ones', 'Ada-Segment', 'Ada-Segment-A'):
        assert f'| {name} ' in table
    assert not list(short_path.rglob('explored.pth'))
    assert not list(short_path.rglob('states'))

    (row,) = rows_of(tools, problem, 'ones', short_path)
    assert row.cost == 1
    key = f'{problem.key}/train-ones-0'
    counts = np.load(short_path / 'jobs' / key / 'test_counts.npz')['counts']
    assert counts.shape == (6, 8, 4)
    quality = tools.intervals.quality
    assert quality(counts.sum(0)) == pytest.approx(ones['metrics']['PQ'])

    reward = np.load(short_path / 'jobs' / key / 'reward_counts.npz')['counts']
    assert reward.shape == (4, 8, 4)
    seen = reward.sum(0)[reward.sum(0)[:, [1, 3]].sum(1) > 0]  # classes there
    assert quality(seen) == pytest.approx(ones['reward']['PQ'])

    capsys.readouterr()
    kept = short_path / 'kept'
    tools.compare.main([*arguments, '--keep', str(kept)])
    assert '5 jobs, 5 of them done.' in capsys.readouterr().out
    assert results.path.read_text() == first
    # Tables of what was kept, and the rows that use its policy.
    assert sum(file.stat().st_size for file in kept.rglob('*.*')) < 100_000
    tools.compare.main([str(kept), *arguments[1:], '--tables'])
    assert (kept / 'table.md').read_text() == table
    assert list(kept.rglob('policy.safetensors'))
    assert list(kept.rglob('exploration/history.jsonl'))
    kept_results = tools.results.Results(kept / 'results.jsonl')
    assert kept_results.read() == results.read()

    # With the policy that is there.
    tools.compare.main(moved)
    assert '4 jobs, 2 of them done.' in capsys.readouterr().out
    *_, unit, train = results.read().values()
    assert [unit['error'], train['error']] == ['', '']
    assert [unit['problem'], train['problem']] == ['other', 'other']
    # A look at the model, the probe and two epochs: the search was paid
    # for elsewhere.
    assert train['counts']['iterations'] == 1 + 2 + 2 * 2
    (row,) = rows_of(tools, other, 'Ada-Segment of cascade', short_path)
    assert row.cost == 7 / 4


def rows_of(tools, problem, name, work_dir):
    records = tools.results.Results(work_dir / 'results.jsonl').read()
    methods = [tools.methods.METHODS[name]]
    return tools.rows.make_rows(problem, methods, [0], records, work_dir)


def test_a_start_that_was_not_kept_is_made_again(tools, tmp_path):
    """Where a row is missing; results that are kept have no models."""
    problem = tools.problems.ALL['cascade']
    method = tools.methods.METHODS['ones']
    start, unit, train = jobs = tools.compare.plan([(problem, method)], [0])

    def lost(*done):
        keys = {job.key for job in done}
        return tools.compare.lost_starts(jobs, keys, tmp_path)

    assert lost(start, unit) == {start.key}
    assert lost(start, unit, train) == set()
    file = tools.problems.state_file(problem, tmp_path)
    file.parent.mkdir(parents=True)
    file.touch()
    assert lost(start, unit) == set()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--methods', 'twos'], "`--methods` should be .*Found 'twos'"),
        (['--problems', 'x'], "`--problems` should be .*Found 'x'"),
        (['--seeds', '0', '0'], '`--seeds` should be different'),
        (['--seeds', '-1'], '`--seeds` .*at least 0. Found -1'),
        (['--jobs', '0'], '`--jobs` .*at least 1. Found 0'),
    ],
)
def test_bad_filters_are_named(tools, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        tools.compare.main([str(tmp_path / 'x'), *arguments])


def test_a_method_without_implementation(tools, monkeypatch):
    row = tools.method.Method('new', 'control', dict(type='NotThere'))
    monkeypatch.setitem(tools.methods.METHODS, 'new', row)
    with pytest.raises(ValueError, match='NotThere'):
        tools.selection.select_methods(['new'])


def test_every_method_is_there(tools):
    assert tools.methods.METHODS
    for method in tools.methods.METHODS.values():
        assert tools.selection.missing_types(method) == []
        search = tools.methods.SEARCHES.get(method.search)
        assert not method.search or search
        # A policy is for the objectives that it was searched for.
        assert not search or method.explored or method.rpn == search.rpn


def test_plan_has_each_job_once_after_its_needs(tools, problem):
    methods = list(tools.methods.METHODS.values())
    pairs = tools.selection.select_pairs([problem], methods, named=False)
    jobs = tools.compare.plan(pairs, [1, 0])
    keys = [job.key for job in jobs]
    assert len(set(keys)) == len(keys)
    for i, job in enumerate(jobs):
        assert set(job.needs) <= set(keys[:i])
    seeds = [job.seed for job in jobs if job.kind in ('search', 'train')]
    assert seeds == sorted(seeds, reverse=True)
    searches = [job for job in jobs if job.name == 'Ada-Segment']
    assert [job.kind for job in searches] == ['search', 'train'] * 2


def test_a_job_waits_for_what_it_needs(tools, problem):
    first = tools.jobs.pretrain_job(problem)
    second = tools.jobs.unit_job(problem)
    ready = tools.compare.ready_jobs
    assert ready([second, first], set(), 2) == [first]
    assert ready([second], {first.key}, 2) == [second]
    assert ready([second], {first.key}, 0) == []


def test_another_definition_is_another_problem(tools, problem):
    assert problem._replace(lr=0.1).key != problem.key
    assert problem._replace(drawn_scale=2.0).start == problem.start
    assert problem._replace(pretraining=9).start != problem.start


def test_drawn_scales_follow_the_seed(tools, problem):
    factors = [problem.factors(seed) for seed in range(40)]
    assert problem.factors(3) == factors[3]
    assert len({tuple(f.values()) for f in factors}) == 40
    values = np.array([list(f.values()) for f in factors])
    assert values.min() >= 1 / 8
    assert values.max() <= 8
    assert values.min() < 1 / 6
    assert values.max() > 6
    right = problem._replace(drawn_scale=1.0, scales=dict(seg=3.0))
    assert right.factors(0) == dict(cls=1, bbox=1, mask=1, seg=3)


@pytest.mark.parametrize(
    'name', ['cascade_panoptic', 'cascade_kinds', 'panoptic_fpn']
)
def test_scales_reach_the_losses_of_their_objective(tools, problem, name):
    cascade = name.startswith('cascade')
    family = 'cascade_panoptic' if cascade else 'panoptic_fpn'
    problem = problem._replace(
        config=f'{family}_tiny_scenes_ones.py', objectives=name
    )
    cfg = tools.problems.base_config(problem, Path('/none'), 0, True)
    factors = problem.factors(5)
    for _ in range(2):  # a factor on top of what is there
        tools.problems.scale_losses(cfg, factors)
    cfg.model.pop('init_cfg')
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    roi_head = model.roi_head
    stages = 3 if cascade else 1
    for stage in range(stages):
        box = roi_head.bbox_head[stage] if cascade else roi_head.bbox_head
        mask = roi_head.mask_head[stage] if cascade else roi_head.mask_head
        prefix = f's{stage}.' if name == 'cascade_panoptic' else ''
        found = dict(
            cls=box.loss_cls.loss_weight,
            bbox=box.loss_bbox.loss_weight,
            mask=mask.loss_mask.loss_weight,
        )
        expected = {kind: factors[f'{prefix}{kind}'] ** 2 for kind in found}
        assert found == pytest.approx(expected)
    seg = model.semantic_head.loss_seg.loss_weight
    assert seg == pytest.approx(factors['seg'] ** 2)


def test_scales_reach_the_losses_of_a_detector(tools):
    problem = tools.problems.CAMVID_DETECTOR
    cfg = tools.problems.base_config(problem, Path('/none'), 0)
    tools.problems.scale_losses(cfg, dict(cls=2.0, bbox=3.0, mask=5.0))
    head = cfg.model.detector.roi_head
    assert head.bbox_head.loss_cls.loss_weight == 2
    assert head.bbox_head.loss_bbox.loss_weight == 3
    assert head.mask_head.loss_mask.loss_weight == 5
    assert cfg.model.detector.rpn_head.loss_cls.loss_weight == 1


def test_grid_of_twenty_points(tools, problem):
    problem = problem._replace(objectives='cascade_panoptic')
    search = tools.methods.SEARCHES['Baseline-G']
    config = tools.method.controller_config(search, problem)
    assert config['groups'] == [list(range(9)), [9]]
    assert [len(values) for values in config['values']] == [4, 5]
    assert config['num_replicas'] == 2


def test_replicas_of_a_control_are_those_of_what_it_holds(tools, problem):
    search = tools.methods.SEARCHES['shuffled rewards']
    config = tools.method.controller_config(search, problem)
    assert config['controller']['num_replicas'] == 2
    assert 'num_replicas' not in config
    # The table itself is as it was.
    assert 'num_replicas' not in search.controller['controller']


def test_region_proposals_are_one_more_objective(tools, problem, tmp_path):
    search = tools.methods.SEARCHES['SlopeSearch +rpn']
    cascade = problem._replace(objectives='cascade_panoptic')
    config = tools.method.controller_config(search, cascade)
    assert config['groups'] == [[0, 3, 6], [1, 4, 7], [2, 5, 8], [9], [10]]
    assert config['num_replicas'] == 8
    without = tools.methods.SEARCHES['SlopeSearch']
    config = tools.method.controller_config(without, cascade)
    assert config['groups'] == [[0, 3, 6], [1, 4, 7], [2, 5, 8], [9]]

    cfg = tools.problems.base_config(problem, tmp_path, 0)
    tools.method.apply_search(search, problem, cfg)
    assert cfg.model.objectives == 'panoptic_fpn_rpn'
    cfg = tools.problems.base_config(problem, tmp_path, 0)
    row = tools.methods.METHODS['inverse-loss +rpn']
    tools.method.apply_method(row, cfg, None, None)
    assert cfg.model.objectives == 'panoptic_fpn_rpn'


def test_design_tells_effects_apart(tools):
    levels = tools.methods.design()
    assert levels.shape == (16, 15)
    assert (levels.T @ levels == 16 * np.eye(15)).all()
    assert (levels.sum(0) == 0).all()
    # What is put in comes out, whatever the mean is.
    worth = np.linspace(-1, 1, 15)
    scores = 40 + levels @ np.stack([worth, -2 * worth], 1)
    found = tools.weight_effects.effects(scores)
    np.testing.assert_allclose(found[:, 0], 2 * worth, atol=1e-12)
    np.testing.assert_allclose(found[:, 1], -4 * worth, atol=1e-12)


def test_weights_of_a_designed_training(tools):
    levels = dict.fromkeys(tools.methods.FACTORS, 0)
    assert set(tools.methods.weights_of(levels).values()) == {(1.0, 1.0)}
    up = np.exp(0.69)
    levels |= {'mask': 1, 'stages': -1, 'seg, early': 1}
    weights = tools.methods.weights_of(levels)
    assert weights['s0.mask'] == pytest.approx((1, 1))
    assert weights['s1.mask'] == pytest.approx((up, up))
    assert weights['s2.mask'] == pytest.approx((up**2, up**2))
    assert weights['s2.cls'] == pytest.approx((up, up))
    assert weights['seg'] == pytest.approx((up**0.5, up**-0.5))
    assert weights['rpn'] == (1, 1)


def test_effects_are_read_from_results(tools):
    known = tools.problems.ALL['tuning']
    levels, records = tools.methods.design(), {}
    for row, signs in zip(tools.methods.design_rows(), levels, strict=True):
        for seed, noise in ((0, -3.0), (1, 3.0)):
            score = 30 + 0.5 * signs[0] + noise
            metrics = dict(PQ=score, PQ_th=0.0, PQ_st=2 * score)
            key = tools.jobs.result_job(known, row, seed).key
            records[key] = dict(error='', metrics=metrics)
    text = tools.weight_effects.effects_markdown(
        tools.weight_effects.read(records, 'tuning', [0, 1])
    )
    assert '| cls | +1.00 | +0.00 | +2.00 |' in text
    assert text.count('(none)') == 2
    records[key] = dict(error='broken')
    with pytest.raises(ValueError, match='1 trainings .*design_15-1'):
        tools.weight_effects.read(records, 'tuning', [0, 1])


def test_the_design_is_run_only_if_named(tools):
    names = {row.name for row in tools.methods.design_rows()}
    assert len(names) == 16
    assert names <= set(tools.methods.METHODS)
    assert not names & set(tools.methods.DEFAULT)


def test_mean_of_found_weights(tools, problem, tmp_path):
    cfg = tools.problems.base_config(problem, tmp_path, 0)
    file = tmp_path / 'weights.jsonl'
    rows = [[1.0, 2.0, 3.0, 6.0], [3.0, 2.0, 1.0, 6.0]]
    records = [
        dict(epoch=i, objectives=list('abcd'), weights=row)
        for i, row in enumerate(rows, start=1)
    ]
    file.write_text('\n'.join(map(json.dumps, records)))
    methods = tools.methods.METHODS
    tools.method.apply_method(methods['constant mean'], cfg, None, file)
    assert cfg.custom_hooks[-1].weighting.weights == [2, 2, 2, 6]
    tools.method.apply_method(methods['scaled trunk'], cfg, None, file)
    keys = cfg.optim_wrapper.paramwise_cfg.custom_keys
    assert [part.lr_mult for part in keys.values()] == [3, 3]


def test_a_failed_job_is_recorded(tools, problem, monkeypatch, tmp_path):
    def fail(job, work_dir):
        raise RuntimeError('broken')

    job = tools.jobs.pretrain_job(problem)
    monkeypatch.setitem(tools.run_job._RUN, job.kind, fail)
    record = tools.run_job.run(job, tmp_path)
    assert 'RuntimeError: broken' in record['error']
    results = tools.results.Results(tmp_path / 'results.jsonl')
    results.append(record)
    assert results.done() == set()
    results.append(dict(record, error=''))
    assert results.done() == {job.key}
    assert len(results.read()) == 1


def test_a_line_that_was_cut_off_is_forgotten(tools, tmp_path):
    results = tools.results.Results(tmp_path / 'results.jsonl')
    results.append(dict(key='a', error=''))
    with results.path.open('a') as file:
        file.write('{"key": "b", "err')
    assert set(results.read()) == {'a'}
    results.append(dict(key='c', error=''))
    assert set(results.read()) == {'a', 'c'}


def test_counts_go_on_after_a_restart(tools, tmp_path):
    path = tmp_path / 'cost.json'
    counter = tools.cost.Counter(path)
    sample = dict(mode='predict', data_samples=[0, 0, 0])
    for kwargs in (dict(mode='loss'), sample, dict(mode='loss')):
        counter._see(None, (), kwargs, None)
    # The last iteration is lost with the process: its replica is redone.
    again = tools.cost.Counter(path)
    assert again.starts == 2
    again._see(None, (), dict(mode='loss'), None)
    assert again.read()[:2] == (2, 3)
