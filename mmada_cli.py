"""The console script `mmada`.

The package registers all of its classes when it is imported, which takes
seconds. This module is beside it, and reads the command line without it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

NAME = 'mmada_commands'
"""What `mmada.commands` is imported as."""


def main() -> int:
    """Run the command that the command line names; return its exit code."""
    code: int = load_command_line().main()
    return code


def load_command_line() -> ModuleType:
    """Import `mmada.commands.command_line` without the package above it."""
    package = importlib.util.find_spec('mmada')
    assert package is not None and package.origin is not None
    folder = Path(package.origin).parent / 'commands'
    spec = importlib.util.spec_from_file_location(
        NAME,
        folder / '__init__.py',
        submodule_search_locations=[str(folder)],
    )
    assert spec is not None
    sys.modules[NAME] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f'{NAME}.command_line')
