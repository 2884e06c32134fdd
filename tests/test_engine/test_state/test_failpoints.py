"""A failpoint kills where it is told to, and only there."""

from __future__ import annotations

import multiprocessing
import signal

import pytest

from mmada.utils.failpoints import failpoint


def exit_code(names: list[str]) -> int | None:
    def walk() -> None:
        for name in names:
            failpoint(name)

    child = multiprocessing.get_context('fork').Process(target=walk)
    child.start()
    child.join(30)
    return child.exitcode


@pytest.mark.parametrize(
    ('wanted', 'names', 'killed'),
    [
        ('', ['a', 'b'], False),
        ('b', ['a', 'b'], True),
        ('b', ['a', 'bb'], False),
        ('b:2', ['b', 'a'], False),
        ('b:2', ['b', 'a', 'b'], True),
    ],
)
def test_kills_at_the_named_place(
    wanted: str,
    names: list[str],
    killed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('MMADA_FAILPOINT', wanted)
    assert exit_code(names) == (-signal.SIGKILL if killed else 0)


@pytest.mark.parametrize('wanted', ['a:0', 'a:x', 'a:-1'])
def test_bad_count(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MMADA_FAILPOINT', wanted)
    with pytest.raises(ValueError, match='positive count'):
        failpoint('a')
