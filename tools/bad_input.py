"""Bad input of a command: one line that says what is wrong, exit code 2."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config


@contextlib.contextmanager
def one_line_errors(command: str, *also: type[Exception]) -> Iterator[None]:
    """Ends the process with a line where files or options cannot be used.

    Args:
        command: Name of the command, which begins the line.
        also: Errors that stand for bad input there, beside OSError and
            ValueError. Any other one is a fault of the program, and its
            traceback is wanted.
    """
    expected: tuple[type[Exception], ...] = (OSError, ValueError, *also)
    try:
        yield
    except expected as error:
        # A KeyError is shown as the repr of its message.
        said = error.args[0] if isinstance(error, KeyError) else error
        text = ' '.join(str(said).split())
        print(f'{command}: error: {text}', file=sys.stderr)
        raise SystemExit(2) from None


def read_config(path: str | Path) -> Config:
    """Reads a config, which is a program of the user's.

    Raises:
        OSError: If the file, or one that it names, cannot be read.
        ValueError: If it ends with an error of its own.
    """
    try:
        return Config.fromfile(path)
    except OSError:
        raise
    except Exception as error:
        raise ValueError(
            f'{path} should be a config, found {type(error).__name__}: {error}'
        ) from error
