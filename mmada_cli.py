"""The console script `mmada`.

The package registers all of its classes when it is imported, which takes
seconds. This module is beside it, and reads the command line without it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType


def main() -> int:
    """Run the command that the command line names; return its exit code."""
    code: int = load_command_line().main()
    return code


def load_command_line() -> ModuleType:
    """Load `mmada.commands.command_line` without the packages around it."""
    package = importlib.util.find_spec('mmada')
    assert package is not None and package.origin is not None
    path = Path(package.origin).parent / 'commands' / 'command_line.py'
    spec = importlib.util.spec_from_file_location('mmada_command_line', path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
