"""The scripts of tools/ as modules, for tests that call their functions."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

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


def call(name: str, *arguments: object) -> None:
    """Run a script's `main`, in a process that does nothing else.

    Args:
        name: Path below `tools/`.
        *arguments: Of its command line.
    """
    module = load(name)
    sys.argv = [str(TOOLS / name), *map(str, arguments)]
    module.main()
