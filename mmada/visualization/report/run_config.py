"""The config that a run left in its work directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config


@dataclass(frozen=True)
class RunConfig:
    """What a run was asked to do.

    Attributes:
        path: The file; None if the run left none.
        text: Its content, the resolved config.
        content: The same as a mapping; empty if it cannot be read.
    """

    path: Path | None
    text: str
    content: Mapping[str, Any]

    @property
    def explorations(self) -> list[Mapping[str, Any]]:
        """Configs of the exploration loops."""
        loop = self.content.get('train_cfg') or {}
        found = loop.get('exploration', loop if 'controller' in loop else [])
        return [found] if isinstance(found, Mapping) else list(found)

    def exploration(self, directory: str) -> Mapping[str, Any]:
        """Return the config of the exploration in a directory, or none."""
        for config in self.explorations:
            if config.get('directory', 'exploration') == directory:
                return config
        return {}

    @property
    def training(self) -> Mapping[str, Any]:
        """Config of the ordinary training loop; empty if there is none."""
        loop = self.content.get('train_cfg') or {}
        found = loop.get('training', {} if 'controller' in loop else loop)
        return found or {}


def read_config(work_dir: Path) -> RunConfig:
    """Read the newest config that MMEngine wrote into a work directory.

    A file that cannot be read, such as one that is being written, leaves
    text without content.
    """
    files = sorted(
        work_dir.glob('*.py'), key=lambda path: path.stat().st_mtime_ns
    )
    if not files:
        return RunConfig(None, '', {})
    path = files[-1]
    text = path.read_text(errors='replace')
    try:
        content = Config.fromfile(path, import_custom_modules=False)
    except Exception:
        # A file of Python may fail in any way, and a report needs none of it.
        return RunConfig(path, text, {})
    return RunConfig(path, text, content)
