"""The scripts of tools/ as modules, for tests that call their functions."""

from __future__ import annotations

import importlib
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


def load(name: str) -> ModuleType:
    """Import a script as its neighbours do: by its bare name.

    Args:
        name: Path below `tools/`, such as ``dev/setup_env.py``.
    """
    path = TOOLS / name
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    return importlib.import_module(path.stem)


def exit_code(main: Callable[..., int | None], *arguments: Any) -> Any:
    """Call a script's main; return what its process would end with."""
    try:
        return main(*arguments) or 0
    except SystemExit as error:
        return error.code


def call(name: str, *arguments: object) -> None:
    """Run a script as a command, in a process that does nothing else.

    Args:
        name: Path below `tools/`.
        *arguments: Of its command line.
    """
    path = TOOLS / name
    sys.path.insert(0, str(path.parent))
    sys.argv = [str(path), *map(str, arguments)]
    runpy.run_path(str(path), run_name='__main__')
