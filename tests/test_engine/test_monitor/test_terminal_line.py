import io
import logging
import os

import pytest

from mmada.engine.monitor import PROGRESS, Phase, RunStatus, terminal_line
from mmada.engine.monitor.terminal_line import TerminalLine, format_line

EXPLORING = RunStatus(
    Phase.EXPLORING,
    round=2,
    num_rounds=4,
    replicas=(1,),
    num_replicas=4,
    iteration=5,
    num_iterations=10,
    metric='coco_panoptic/PQ',
    best_metric=55.14,
    seconds_left=192.0,
)


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def width(monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setattr(terminal_line, '_SECONDS', 0.0)


def logger_to(stream):
    logger = logging.Logger('run')
    logger.addHandler(logging.StreamHandler(stream))
    return logger


def test_line_of_an_exploration():
    # Done are 1 of 4 rounds and an eighth of the second: 0.28 of 20 marks.
    assert format_line(EXPLORING) == (
        'exploring [#####...............] round 2/4'
        ' | replica 1/4 [##########..........] iter 5/10'
        ' | best PQ 55.1 | 0:03:12 left'
    )


def test_line_of_replicas_at_the_same_time():
    status = RunStatus(
        Phase.EXPLORING,
        round=1,
        num_rounds=1,
        replicas=(3, 4),
        num_replicas=4,
        num_iterations=10,
    )
    assert '| replicas 3-4/4 [....................] iter 0/10' in format_line(
        status
    )


def test_lines_of_other_phases():
    pseudo = RunStatus(Phase.PSEUDO_EPOCH, iteration=10, num_iterations=10)
    assert format_line(pseudo) == f'pseudo epoch [{"#" * 20}] iter 10/10'
    training = RunStatus(
        Phase.TRAINING, iteration=9, num_iterations=12, epoch=3, num_epochs=4
    )
    assert format_line(training) == (
        f'training [{"#" * 15}.....] epoch 3/4 | iter 9/12'
    )


def test_log_lines_stand_above_the_line_and_progress_is_left_out():
    stream = Terminal()
    logger = logger_to(stream)
    line = TerminalLine(logger)
    line.show(EXPLORING, urgent=False)
    logger.warning('something else')
    logger.warning('round 1/4', extra={PROGRESS: True})
    erase = '\r\x1b[K'
    drawn = erase + format_line(EXPLORING)
    assert stream.getvalue() == f'{drawn}{erase}something else\n'
    line.show(EXPLORING, urgent=False)
    line.close()
    assert stream.getvalue().endswith(f'\n{drawn}{erase}')
    logger.warning('round 2/4', extra={PROGRESS: True})
    assert stream.getvalue().endswith('round 2/4\n')


def test_the_line_fits_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '30')
    stream = Terminal()
    TerminalLine(logger_to(stream)).show(EXPLORING, urgent=False)
    assert stream.getvalue() == '\r\x1b[K' + format_line(EXPLORING)[:29]


def test_the_line_goes_when_the_run_ends():
    stream = Terminal()
    line = TerminalLine(logger_to(stream))
    line.show(EXPLORING, urgent=False)
    line.show(RunStatus(Phase.FINISHED), urgent=True)
    assert stream.getvalue().endswith('left\r\x1b[K')


@pytest.mark.parametrize('kind', ['file', 'dumb'])
def test_elsewhere_nothing_but_the_log_is_written(kind, monkeypatch):
    stream = io.StringIO() if kind == 'file' else Terminal()
    if kind == 'dumb':
        monkeypatch.setitem(os.environ, 'TERM', 'dumb')
    logger = logger_to(stream)
    line = TerminalLine(logger)
    line.show(EXPLORING, urgent=True)
    logger.warning('round 1/4', extra={PROGRESS: True})
    line.close()
    assert stream.getvalue() == 'round 1/4\n'


class Copier:
    """Stands in for `sys.stdout`, and can no more than write."""

    def __init__(self):
        self.text = ''

    def write(self, text):
        self.text += text


def test_a_stream_that_can_only_write_gets_the_log():
    stream = Copier()
    logger = logger_to(stream)
    line = TerminalLine(logger)
    line.show(EXPLORING, urgent=True)
    logger.warning('round 1/4', extra={PROGRESS: True})
    line.close()
    assert stream.text == 'round 1/4\n'


def test_a_terminal_that_is_gone_ends_nothing():
    stream = Terminal()
    line = TerminalLine(logger_to(stream))
    stream.close()
    line.show(EXPLORING, urgent=True)
    line.show(EXPLORING, urgent=True)
    line.close()
