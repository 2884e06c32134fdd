"""The tables of docs/reproduce.md: counts worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

from tests.support.scripts import load

REPO = Path(__file__).resolve().parents[2]
SCRIPT = REPO / 'tools/dev/reproduce_table.py'
PAGE = REPO / 'docs/reproduce.md'
PAPER = REPO / 'configs/paper'
CASCADE = 'coco/cascade-panoptic_r50-dcn-fpn'
FULL = 7393  # iterations of 118,287 images, 14,786 on each GPU, 2 at a time
PROXY = 6768  # of 108,287 images, 16 at a time


reproduce_table = load('dev/reproduce_table.py')


def config(name):
    return Config.fromfile(PAPER / f'{name}.py')


@pytest.mark.parametrize(
    ('name', 'iterations', 'images'),
    [
        ('ones_8xb2-1x_coco', 12 * FULL, 12 * 5000),
        # 108,287 images: 13,536 on each GPU, 2 at a time
        ('ones_8xb2-1x_coco-proxy', 12 * 6768, 12 * 5000),
        ('ada-segment-from-1x_8xb2-2x_coco', 24 * FULL, 24 * 5000),
        # a pseudo epoch for l^1 before the twelve
        ('ada-segment-from-ade20k_8xb2-1x_coco', 13 * FULL, 12 * 5000),
        # a pseudo epoch, then 12 rounds of 8 replicas; the initial model is
        # scored as well
        ('ada-segment-search_8xb2-1x_coco', 97 * PROXY, 98 * 10000),
        ('ada-segment-search_8xb2-2x_coco', 193 * PROXY, 194 * 10000),
        # 20 trainings of 12 rounds, and a pseudo epoch
        ('grid-search_8xb2-1x_coco', 241 * PROXY, 241 * 10000),
    ],
)
def test_work_is_counted_as_by_hand(name, iterations, images):
    assert reproduce_table.work_of(config(f'{CASCADE}_{name}')) == (
        iterations,
        images,
    )


def test_work_on_ade20k():
    name = 'ade20k/cascade-panoptic_r50-dcn-fpn_{}_8xb2-24e_ade20k'
    # 20,210 images: 2,527 on each GPU, 2 at a time
    ones = reproduce_table.work_of(config(name.format('ones')))
    assert ones == (24 * 1264, 24 * 2000)
    # 18,210 images, 16 at a time; 24 rounds of 8 replicas
    search = reproduce_table.work_of(config(name.format('ada-segment-search')))
    # The initial model is scored, too.
    assert search == (193 * 1139, 194 * 2000)


def test_bohb_counts_what_trains_alone():
    work = reproduce_table.work_of(
        config(f'{CASCADE}_bohb-search_8xb2-1x_coco')
    )
    epochs = work.iterations / PROXY
    assert work.images == epochs * 10000
    # About as costly as Ada-Segment's 97, of 18 x 8 slots.
    assert epochs == pytest.approx(97, abs=8)


def test_iterations_keep_all_gpus_busy_and_images_one():
    assert reproduce_table.Work(450, 0).gpu_hours(2.0, 1.0) == 2.0
    assert reproduce_table.Work(0, 3600).gpu_hours(2.0, 0.5) == 0.5


def rows():
    content = yaml.safe_load((PAPER / 'rows.yml').read_text())
    return [row for table in content['tables'] for row in table['rows']]


def test_every_config_has_a_row_and_every_row_a_config():
    named = {row['config'] for row in rows()}
    there = {
        str(path.relative_to(PAPER).with_suffix(''))
        for path in PAPER.rglob('*.py')
    }
    assert named == there


def test_numbers_of_a_run_are_the_same_in_all_tables():
    found = {}
    for row in rows():
        key = row['config'], row.get('of')
        numbers = row.get('paper')
        assert found.setdefault(key, numbers) == numbers, row


def test_the_papers_numbers_are_plausible_panoptic_qualities():
    things = dict(coco=80 / 133, ade20k=100 / 150)
    for row in rows():
        if len(row.get('paper', ())) == 3:
            pq, th, st = row['paper']
            share = things[row['config'].split('/')[0]]
            mean = share * th + (1 - share) * st
            assert math.isclose(pq, mean, abs_tol=0.2), row


def test_the_page_is_what_the_script_writes(run, tmp_path):
    page = tmp_path / 'reproduce.md'
    text = PAGE.read_text()
    page.write_text(text)
    run(SCRIPT, '--write', page)
    assert page.read_text() == text


def test_results_and_measured_seconds_go_into_the_table(run, tmp_path, capsys):
    results = tmp_path / 'results.json'
    stem = 'cascade-panoptic_r50-dcn-fpn'
    values = {
        f'{stem}_gradnorm_8xb2-1x_coco': [12.34, 5, 6],
        f'{stem}_pbt-search_8xb2-1x_coco/explored': [78.9],
    }
    results.write_text(json.dumps(values))
    seconds = ['--seconds-per-iter', 0.5, '--seconds-per-image', 0.0625]
    run(SCRIPT, '--results', results, *seconds)
    lines = capsys.readouterr().out.splitlines()
    cells = {
        line.split('|')[1].strip(): [c.strip() for c in line.split('|')]
        for line in lines
        if line.startswith('|')
    }
    assert cells['GradNorm'][-2] == '12.3 / 5.0 / 6.0'
    assert cells['Baseline-P, proxy'][-2] == '78.9'
    assert cells['Final'][-2] == ''
    # 8 GPUs, 12 x 7393 iterations; 60,000 images
    hours = (8 * 88716 * 0.5 + 60000 * 0.0625) / 3600
    assert cells['GradNorm'][5] == f'{hours:.0f}'
    assert '0.5 an iteration (given)' in '\n'.join(lines)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'No such file'),
        ('not results', 'should have names of runs'),
        ('a: [1', 'should be YAML'),
    ],
)
def test_results_that_are_none(run, tmp_path, capsys, content, message):
    results = tmp_path / 'results.yml'
    if content is not None:
        results.write_text(content)
    with pytest.raises(SystemExit, match='2'):
        run(SCRIPT, '--results', results)
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_seconds_are_positive(run):
    with pytest.raises(SystemExit, match='2'):
        run(SCRIPT, '--seconds-per-iter', 0)


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match='begin'):
        reproduce_table.insert('a page', 'a table')
