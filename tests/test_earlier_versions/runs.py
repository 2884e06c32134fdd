"""Runs cases in turn, each in the folder of its name below this one.

An error of one goes into a file beside its results; the others go on. So
does the number of calls of all modules, which tells a run that was resumed
from one that began anew.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import torch
from torch.nn.modules.module import register_module_forward_hook

from tests.test_earlier_versions.cases import CALLS, CASES, ERROR


def run(name: str) -> None:
    """Runs a case and counts."""
    calls: list[str] = []
    handle = register_module_forward_hook(
        lambda module, *_: calls.append(type(module).__name__)
    )
    try:
        CASES[name].run(name)
    except Exception:
        (Path(name) / ERROR).write_text(traceback.format_exc())
    finally:
        handle.remove()
    (Path(name) / CALLS).write_text(f'{len(calls)}\n')


if __name__ == '__main__':
    torch.set_num_threads(1)
    for case in sys.argv[1:]:
        run(case)
