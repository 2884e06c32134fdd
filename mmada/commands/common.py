"""What the commands share: config, runner, tables, errors of the input."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmada.engine.checkpoints import CheckpointError
from mmada.engine.distributed.launch import prepare_launch
from mmada.engine.exploration.state import BegunError
from mmada.engine.state import RunLockedError, StateError
from mmada.utils.tables import aligned

PACKAGE = Path(__file__).resolve().parents[1]
REFUSALS = (
    OSError,
    ValueError,
    BegunError,
    CheckpointError,
    RunLockedError,
    StateError,
)
SUFFIXES = ('.py', '.json', '.yaml', '.yml')
DICTS = ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader')


@contextlib.contextmanager
def one_line_errors(command: str, *also: type[Exception]) -> Iterator[None]:
    """End the process with a line where files or options cannot be used.

    Args:
        command: Name of the command, which begins the line.
        also: Errors that stand for bad input there, beside OSError and
            ValueError. Any other one is a fault of the program, and its
            traceback is wanted.
    """
    expected: tuple[type[Exception], ...] = (OSError, ValueError, *also)
    try:
        yield
    except BrokenPipeError:  # an OSError that no input is to blame for
        raise
    except expected as error:
        # A KeyError is shown as the repr of its message.
        said = error.args[0] if isinstance(error, KeyError) else error
        text = ' '.join(str(said).split())
        print(f'{command}: error: {text}', file=sys.stderr)
        raise SystemExit(2) from None


@contextlib.contextmanager
def refusals(command: str) -> Iterator[None]:
    """End the process with the message where mmada refuses a run.

    It says what to change. What MMEngine, a detector or torch raises keeps
    its traceback.

    Args:
        command: Name of the command, which begins the message.
    """
    try:
        yield
    except REFUSALS as error:
        if not _raised_by_mmada(error):
            raise
        print(f'{command}: error: {error}', file=sys.stderr)
        raise SystemExit(2) from None


def _raised_by_mmada(error: BaseException) -> bool:
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return Path(frame.f_code.co_filename).is_relative_to(PACKAGE)


def read_config(path: str | Path) -> Config:
    """Read a config, which is a program of the user's.

    Raises:
        OSError: If the file, or one that it names, cannot be read.
        ValueError: If it ends with an error of its own, or is no config.
    """
    if Path(path).suffix not in SUFFIXES:
        raise ValueError(
            f'{path} should be a config, which ends in {", ".join(SUFFIXES)}.'
        )
    try:
        config = Config.fromfile(path)
    except OSError:
        raise
    except Exception as error:
        raise ValueError(
            f'{path} should be a config. Found {type(error).__name__}: {error}'
        ) from error
    for name in DICTS:
        if not isinstance(config.get(name) or {}, dict):
            raise ValueError(
                f'{path}: `{name}` should be a dict. Found {config[name]!r}.'
            )
    return config


def load_config(args: argparse.Namespace) -> Config:
    """Read the config and apply the common arguments to it."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    with one_line_errors(args.prog, KeyError, TypeError):
        cfg = read_config(args.config)
        cfg.merge_from_dict(args.cfg_options or {})
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    return cfg


def build_runner(cfg: Config) -> Runner:
    """Build MMEngine's runner, or the one that the config names.

    A rank joins the others first where MMEngine itself could not do it.

    Raises:
        ValueError: If MMEngine's own would find no model.
    """
    prepare_launch(cfg)
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    if not isinstance(cfg.get('model'), dict):
        raise ValueError(
            f'{cfg.filename} should have a `model`, a dict. Found '
            f'{cfg.get("model")!r}.'
        )
    return Runner.from_cfg(cfg)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return lines with columns of equal width, numbers to the right."""
    cells = [list(header)] + [
        [c if isinstance(c, str) else f'{c:.3g}' for c in row] for row in rows
    ]
    return ['  '.join(row).rstrip() for row in aligned(cells)]
