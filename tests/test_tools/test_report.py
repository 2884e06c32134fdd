"""tools/report.py: a page, again and again, or what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_visualization.test_report.runs import make_run

REPORT = Path(__file__).resolve().parents[2] / 'tools' / 'report.py'


def test_writes_the_page_and_says_where(run, tmp_path, capsys):
    work_dir = make_run(tmp_path / 'run', rounds=1)
    other = make_run(tmp_path / 'other', rounds=2)
    run(REPORT, work_dir, '--compare', other)
    page = work_dir / 'report' / 'report.html'
    assert capsys.readouterr().out.startswith(f'{page}: ')
    assert 'id="comparison"' in page.read_text()


def test_watches_until_the_run_is_over(run, tmp_path, capsys, monkeypatch):
    work_dir = make_run(tmp_path / 'run', rounds=1, epochs=2)
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        make_run(work_dir, rounds=len(naps) + 2)
        if len(naps) == 2:
            (work_dir / 'epoch_2.pth').touch()

    monkeypatch.setattr('time.sleep', sleep)
    run(REPORT, work_dir, '--watch', 5)
    assert naps == [5, 5]
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_no_work_directory(run, tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        run(REPORT, tmp_path / 'absent')
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(
        'report.py: error: argument work_dir: should be the directory of a '
        'run. Found nothing at '
    )


def test_a_directory_without_a_run(run, tmp_path, capsys):
    (tmp_path / 'report').mkdir()
    make_run(tmp_path / 'one', rounds=1, epochs=1)
    # A report reads the newest config by running it.
    (tmp_path / 'script.py').write_text('open(__file__, "a").write("#")\n')
    with pytest.raises(SystemExit, match='2'):
        run(REPORT, tmp_path)
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        'report: error: `work_dir` should be the directory of a run. Found no '
        f'log, checkpoint or record of one in {tmp_path}.'
    )
    with pytest.raises(SystemExit, match='2'):
        run(REPORT, tmp_path / 'one', '--compare', tmp_path)
    assert '`--compare` should be the dir' in capsys.readouterr().err
    assert not (tmp_path / 'script.py').read_text().endswith('#')
    assert not list((tmp_path / 'report').iterdir())
    assert not (tmp_path / 'one' / 'report').exists()


def test_no_baseline(run, tmp_path, capsys):
    work_dir = make_run(tmp_path / 'run')
    with pytest.raises(SystemExit, match='2'):
        run(REPORT, work_dir, '--baseline', make_run(tmp_path / 'other'))
    assert 'should be a checkpoint' in capsys.readouterr().err


@pytest.mark.parametrize(
    'arguments', [('--images', -1), ('--watch', 0), ('--images', 'x')]
)
def test_bad_arguments(run, tmp_path, arguments):
    with pytest.raises(SystemExit, match='2'):
        run(REPORT, tmp_path, *arguments)
