"""Types of arguments: what is on the disk, and names of a table.

Imports the standard library alone, so that a mistyped path is answered at
once. argparse puts the name of the argument in front of each message.
"""

from __future__ import annotations

import difflib
import importlib.util
from argparse import ArgumentTypeError
from collections.abc import Callable, Collection
from pathlib import Path

STOCK = 'mmdet'
"""The package whose stock configs are suggested."""
EXAMPLE = 'retinanet/retinanet_r50_fpn_1x_coco.py'
"""One of them, where none has a near name."""
POLICY_MARK = b'"mmada_policy"'
"""What the first bytes of a policy file have."""


def existing_file(text: str) -> Path:
    """Return the path of a file that is there."""
    path = Path(text)
    if path.is_dir():
        raise ArgumentTypeError(
            f'should be an existing file. Found the directory {text}.'
        )
    if not path.exists():
        raise ArgumentTypeError(
            f'should be an existing file. Found nothing at {text}.'
        )
    return path


def existing_path(text: str) -> str:
    """Return the path of a file or a directory that is there."""
    if not Path(text).exists():
        raise ArgumentTypeError(
            f'should be an existing path. Found nothing at {text}.'
        )
    return text


def run_directory(text: str) -> Path:
    """Return the path of a directory that is there."""
    path = Path(text)
    if not path.is_dir():
        found = 'the file' if path.exists() else 'nothing at'
        raise ArgumentTypeError(
            f'should be the directory of a run. Found {found} {text}.'
        )
    return path


def output_directory(text: str) -> str:
    """Return the path of a directory that is there, or can be made."""
    path = Path(text)
    there = next(each for each in (path, *path.parents) if each.exists())
    if not there.is_dir():
        raise ArgumentTypeError(
            f'should be a directory, new or not. Found the file {there}.'
        )
    return text


def new_file(text: str) -> Path:
    """Return the path of a file that is not there."""
    path = Path(text)
    if path.exists():
        raise ArgumentTypeError(
            f'should be a new file. Found {text}, which exists. Remove it, or '
            'name another one.'
        )
    return path


def checkpoint(text: str) -> str:
    """Return the path of a checkpoint that is there, or its address.

    MMEngine would load a policy file, and leave the model as it was.
    """
    if '://' in text:
        return text
    path = existing_file(text)
    with path.open('rb') as file:
        begin = file.read(100)
    if not begin or POLICY_MARK in begin:
        found = f'the {"policy" if begin else "empty"} file {text}'
        raise ArgumentTypeError(f'should be a checkpoint. Found {found}.')
    return str(path)


def checkpoint_or_auto(text: str) -> str:
    """Return the path or address of a checkpoint, or 'auto' as it is."""
    return text if text == 'auto' else checkpoint(text)


def stock_config(text: str) -> str:
    """Return the path of a config, or the name that a package gives one."""
    if '::' in text:
        shipped_config(text)
    elif not Path(text).is_file():
        near = _near(text, _shipped_names(STOCK)) or [EXAMPLE]
        raise ArgumentTypeError(
            'should be a config file, or one that a package has with it, such '
            f'as {STOCK}::{near[0]}. Found nothing at {text}.'
        )
    return text


def shipped_config(name: str) -> Path:
    """Return the file of a config that comes with a package.

    Args:
        name: Such as 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'.

    Raises:
        ArgumentTypeError: If there is no such package or config.
    """
    package, _, path = name.partition('::')
    folder = _shipped_folder(package)
    if folder is None:
        raise ArgumentTypeError(
            f'should be a config of an installed package. Found {name}.'
        )
    if not (folder / path).is_file():
        near = _near(path, _shipped_names(package)) or ['FOLDER/NAME.py']
        raise ArgumentTypeError(
            f'should be one that {package} has with it, such as '
            f'{", ".join(f"{package}::{each}" for each in near)}. Found '
            f'{name}.'
        )
    return folder / path


def _shipped_folder(package: str) -> Path | None:
    """Return where a package, which is not imported, has its configs."""
    spec = importlib.util.find_spec(package) if package else None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / '.mim' / 'configs'


def _shipped_names(package: str) -> list[str]:
    folder = _shipped_folder(package)
    return (
        []
        if folder is None
        else [
            path.relative_to(folder).as_posix()
            for path in folder.rglob('*.py')
        ]
    )


def at_least(low: int, kind: type = int) -> Callable[[str], float]:
    """Return a type that takes a number from a smallest one on.

    Args:
        low: The smallest.
        kind: int or float.
    """

    def number(text: str) -> float:
        try:
            value: float = kind(text)
        except ValueError:
            name = 'an integer' if kind is int else 'a number'
            raise ArgumentTypeError(
                f'should be {name}. Found {text}.'
            ) from None
        if not value >= low:
            raise ArgumentTypeError(f'should be at least {low}. Found {text}.')
        return value

    return number


def name_of(names: Collection[str]) -> Callable[[str], str]:
    """Return a type that takes one of some names, and suggests the nearest.

    Args:
        names: All that there are.
    """

    def name(text: str) -> str:
        if text in names:
            return text
        near = _near(text, names)
        hint = f' Did you mean {near[0]}?' if near else ''
        raise ArgumentTypeError(
            f'should be one of {", ".join(names)}. Found {text}.{hint}'
        )

    return name


def _near(text: str, names: Collection[str]) -> list[str]:
    return difflib.get_close_matches(text, names, n=3)
