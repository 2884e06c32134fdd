import json
import re

import matplotlib.image
import pytest

from mmada.visualization.report import ReportOptions, write_report
from tests.test_visualization.records import round_record, write
from tests.test_visualization.test_report.runs import (
    asl_record,
    make_run,
    resampled,
)


def names(report):
    return sorted(path.name for path in report.written)


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / 'run', rounds=2)


def test_page_and_figures(run):
    report = write_report(run)
    assert report.page == run / 'report' / 'report.html'
    assert not report.finished
    assert names(report) == [
        'exploration-metric.png',
        'exploration-raw-losses.png',
        'exploration-reward-parts.png',
        'exploration-rewards.png',
        'exploration-spread.png',
        'exploration-steps.png',
        'exploration-weighted-losses.png',
        'exploration-weights.png',
        'report.html',
    ]
    picture = matplotlib.image.imread(run / 'report/exploration-weights.png')
    assert picture.shape[1] > 900


def test_a_second_call_writes_nothing(run):
    write_report(run)
    assert names(write_report(run)) == []


def test_only_what_changed_is_written(run):
    write_report(run)
    (run / 'report' / 'exploration-metric.png').unlink()
    with (run / 'config.py').open('a') as config:
        config.write('\n# a remark\n')
    assert names(write_report(run)) == [
        'exploration-metric.png',
        'report.html',
    ]
    history = run / 'exploration' / 'history.jsonl'
    with history.open('a') as lines:
        lines.write(json.dumps(round_record(3)) + '\n{"rou')
    assert len(names(write_report(run))) == 9


def test_figures_of_the_past_are_dropped(run):
    write_report(run)
    write(run / 'exploration' / 'history.jsonl', [asl_record(1)])
    write_report(run)
    found = {path.name for path in (run / 'report').iterdir()}
    assert 'exploration-actions.png' in found
    assert 'exploration-weights.png' not in found


def test_an_open_page_looks_for_news_until_the_run_is_over(tmp_path):
    options = ReportOptions(refresh=7)
    for rounds, expected in ((2, True), (4, True)):
        run = make_run(tmp_path / 'run', rounds=rounds)
        page = write_report(run, options).page.read_text()
        assert ('data-refresh="7"' in page) is expected
    (run / 'epoch_2.pth').touch()
    report = write_report(run, options)
    assert report.finished
    assert 'data-refresh="' not in report.page.read_text()


def test_the_page_needs_nothing_else(run):
    page = write_report(run).page.read_text()
    tags = re.findall(r'<(?:link|script|img|iframe)\b[^>]*>', page)
    sources = re.findall(r'(?:src|href)="([^"#]+)"', ' '.join(tags))
    assert all(source.startswith('data:') for source in sources)
    assert page.count('plotly.js v') == 1


def test_what_a_run_wrote_cannot_become_part_of_the_page(tmp_path):
    evil = '</script><script>alert(1)</script>'
    run = make_run(
        tmp_path,
        objectives=['a', evil, 'c'],
        config=f'# {evil}\ntrain_cfg = dict()',
    )
    page = write_report(run).page.read_text()
    assert evil not in page
    assert '&lt;/script&gt;' in page


@pytest.mark.parametrize('content', ['', '{"rou'])
def test_a_run_that_has_hardly_begun(tmp_path, content):
    history = tmp_path / 'exploration' / 'history.jsonl'
    history.parent.mkdir()
    history.write_text(content)
    page = write_report(tmp_path).page.read_text()
    assert 'Nothing was recorded yet' in page


def test_gallery_classes_and_their_pictures(models):
    blind, perfect = models
    options = ReportOptions(baseline=blind, images=2)
    report = write_report(perfect, options)
    assert {'class-differences.png', 'images.png'} <= set(names(report))
    page = report.page.read_text()
    assert page.count('<div class="row">') == 2
    assert names(write_report(perfect, options)) == []
    none = ReportOptions(baseline=blind, images=0)
    page = write_report(perfect, none).page.read_text()
    assert 'id="gallery"' not in page and 'id="classes"' in page


def test_runs_to_compare_with(tmp_path, run):
    other = make_run(tmp_path / 'other', rounds=1, resamples=resampled(1))
    page = write_report(run, ReportOptions(others=[other])).page.read_text()
    assert 'id="comparison"' in page
