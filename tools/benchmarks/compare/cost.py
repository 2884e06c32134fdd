"""Counts what a job runs where it happens."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from mmengine.model import BaseModel

from mmada.utils.costs import Counts


class Counter:
    """Counts the forward passes of a job's model, over its restarts.

    What is noted survives a kill: whenever an evaluation has ended, which is
    when a search has committed a replica.

    Args:
        path: Where the counts are noted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts = Counts()
        self.starts = 1
        if path.exists():
            noted = json.loads(path.read_text())
            self.starts += noted.pop('starts')
            self._counts = Counts(**noted)
        self._began = time.process_time()
        self._evaluated = False
        self._note()

    def watch(self, model: BaseModel) -> None:
        """Begin to count."""
        model.register_forward_hook(self._see, with_kwargs=True)
        self._began = time.process_time()

    def read(self) -> Counts:
        """Return the counts so far and note them."""
        self._note()
        return self._now()

    def _now(self) -> Counts:
        seconds = time.process_time() - self._began
        return self._counts._replace(seconds=self._counts.seconds + seconds)

    def _see(
        self, model: BaseModel, args: Any, kwargs: dict[str, Any], output: Any
    ) -> None:
        iterations, images, _ = self._counts
        if kwargs['mode'] == 'loss':
            if self._evaluated:
                self._note()
            iterations += 1
        else:
            images += len(kwargs['data_samples'])
        self._evaluated = kwargs['mode'] != 'loss'
        self._counts = self._counts._replace(
            iterations=iterations, images=images
        )

    def _note(self) -> None:
        noted = dict(self._now()._asdict(), starts=self.starts)
        partial = self._path.with_suffix('.tmp')
        partial.write_text(json.dumps(noted))
        partial.replace(self._path)
