"""The build's one step of its own; all else is in setup.cfg."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
FOR_MIM = ('configs', 'tools', 'model-index.yml')


class BuildForMim(build_py):
    """Puts into the package what `mim` of OpenMMLab looks for in `.mim`."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib, 'mmada', '.mim')
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier build
        folder.mkdir()
        for name in FOR_MIM:
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns('__pycache__')
                shutil.copytree(ROOT / name, folder / name, ignore=ignored)
            else:
                shutil.copy2(ROOT / name, folder / name)


setup(cmdclass=dict(build_py=BuildForMim))
