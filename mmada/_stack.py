"""Is a usable MMDetection stack installed? Asked once, when mmada is imported.

Two families of distributions own the import names mmengine, mmcv and mmdet.
What counts is whether these import and fit together, so nothing here compares
versions; what pip recorded only helps to say what was found.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import warnings
from collections.abc import Iterator
from importlib import metadata

# family -> import name -> the distributions that provide it
_FAMILIES: dict[str, dict[str, tuple[str, ...]]] = {
    'onedl': {
        'mmengine': ('onedl-mmengine',),
        'mmcv': ('onedl-mmcv',),
        'mmdet': ('onedl-mmdetection',),
    },
    'openmmlab': {
        'mmengine': ('mmengine', 'mmengine-lite'),
        'mmcv': ('mmcv', 'mmcv-full', 'mmcv-lite'),
        'mmdet': ('mmdet',),
    },
}

# torch first: the compiled operators are linked against its libraries. The
# last two say at import what optional packages they lack.
_IMPORTS = (
    'torch',
    'mmengine',
    'mmcv',
    'mmcv._ext',
    'mmdet',
    'mmdet.datasets',
    'mmdet.evaluation',
)
# Packages that mmdet names at each import, and that mmada makes no use of.
_PRINTED = 'Could not import OneDL. Skipping OneDL datasets.'
_WARNED = 'faster_coco_eval is not installed'

_DEBIAN_PACKAGES = {
    'libGL.so.1': 'libgl1',
    'libgthread-2.0.so.0': 'libglib2.0-0',
    'libglib-2.0.so.0': 'libglib2.0-0',
}

_INSTALL = """\
Install one of the two stacks, in a virtual environment of its own. The second
line of each compiles mmcv's operators for the torch of the first one (a C++
compiler and Python's headers are needed).

The maintained stack:
    pip install torch==2.13.0 ninja wheel "setuptools<81" numpy
    pip install --no-build-isolation --no-deps onedl-mmcv==2.3.6
    pip install "mmada[onedl]"

The original stack (its MMEngine trains on this torch, but loads no checkpoint
of its own on torch 2.6 and newer: neither resume nor test):
    pip install torch==2.13.0 ninja wheel "setuptools<81" "numpy<2"
    pip install --no-build-isolation --no-deps mmcv==2.1.0
    pip install "mmada[openmmlab]"
"""

_REBUILD = """\
Compile them anew for the torch that is installed (pip may hold an unfit wheel
in its cache, hence the last two options):
    pip install torch==2.13.0 ninja wheel "setuptools<81" numpy
    pip install --no-build-isolation --no-deps --force-reinstall \\
        --no-cache-dir {requirement}
"""


def check_stack() -> None:
    """Import the stack's parts and refuse what is missing or does not fit.

    Raises:
        ImportError: A part is missing or broken, or the two families are
            mixed. The message says what was found and what to install.
    """
    found = _find_distributions()
    _check_doubles(found)
    with _without_notices():
        for name in _IMPORTS:
            try:
                importlib.import_module(name)
            except (ImportError, AssertionError) as error:
                raise ImportError(_explain(name, error, found)) from error


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
    """Drop what mmdet says of packages that nothing here needs."""
    # Not `catch_warnings`, which would undo the filters that torch sets.
    warnings.filterwarnings('ignore', _WARNED, UserWarning)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        for line in printed.getvalue().splitlines():
            if line != _PRINTED:
                print(line)


def _find_distributions() -> dict[str, dict[str, str]]:
    """Versions of the installed distributions, per family and import name."""
    found: dict[str, dict[str, str]] = {family: {} for family in _FAMILIES}
    for family, providers in _FAMILIES.items():
        for name, distributions in providers.items():
            for distribution in distributions:
                try:
                    version = metadata.version(distribution)
                except metadata.PackageNotFoundError:
                    continue
                found[family][name] = f'{distribution} {version}'
    return found


def _check_doubles(found: dict[str, dict[str, str]]) -> None:
    """Two distributions over one import path overwrite each other's files."""
    doubles = sorted(found['onedl'].keys() & found['openmmlab'].keys())
    if doubles:
        pairs = '; '.join(
            f'{name}: {found["onedl"][name]} and {found["openmmlab"][name]}'
            for name in doubles
        )
        raise ImportError(
            'mmada found two distributions that own the same import name, so '
            f'that the files of one overwrite those of the other ({pairs}).\n'
            f'{_uninstall_advice(found)}'
        )


def _explain(
    name: str,
    error: ImportError | AssertionError,
    found: dict[str, dict[str, str]],
) -> str:
    """Return the message for an ``error`` raised while importing ``name``."""
    library = re.search(r'lib[\w+.-]+\.so[.\d]*', str(error))
    if library and library.group() in _DEBIAN_PACKAGES:
        return _explain_library(library.group())
    listing = _list_found(found)
    if isinstance(error, AssertionError):
        return (
            f'mmada cannot use this mix of packages: {name} refuses the '
            f'others ({error}). {listing}\n{_uninstall_advice(found)}'
        )
    missing = isinstance(error, ModuleNotFoundError) and error.name == name
    state = 'not installed' if missing else f'broken: {error}'
    if name == 'mmcv._ext':
        return _explain_operators(state, found)
    return f'mmada needs {name}, which is {state}. {listing}\n\n{_INSTALL}'


def _explain_operators(state: str, found: dict[str, dict[str, str]]) -> str:
    original = found['openmmlab'] and not found['onedl']
    requirement = 'mmcv==2.1.0' if original else 'onedl-mmcv==2.3.6'
    return (
        f'mmada needs the compiled operators of mmcv, which are {state}. '
        f'{_list_found(found)}\n\n{_REBUILD.format(requirement=requirement)}'
    )


def _explain_library(library: str) -> str:
    return (
        f'mmada needs OpenCV, whose build here wants the system library '
        f'{library}, which this machine lacks. On Debian and Ubuntu:\n'
        f'    apt-get install {_DEBIAN_PACKAGES[library]}\n'
        f'Without administrator rights, put the build that has no windows '
        f'over it:\n'
        f'    pip install --force-reinstall --no-deps '
        f'"opencv-python-headless<4.13"\n'
    )


def _list_found(found: dict[str, dict[str, str]]) -> str:
    names = [text for parts in found.values() for text in parts.values()]
    return f'Found: {", ".join(names) or "none of its parts"}.'


def _uninstall_advice(found: dict[str, dict[str, str]]) -> str:
    """How to get from a mix back to one family."""
    names = [
        text.split()[0] for parts in found.values() for text in parts.values()
    ]
    return (
        'Remove all of them and install one stack:\n'
        f'    pip uninstall -y {" ".join(names)}\n\n{_INSTALL}'
    )
