"""Sends the picture of a search to the visual backends, round by round."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS

from mmada.visualization.history import HISTORY_FILE, read_search
from mmada.visualization.weights_figure import weights_figure

_DPI = 100


@HOOKS.register_module()
class ExplorationFigureHook(Hook):
    """Draws weights and metric of all rounds after each round.

    The picture goes to every visual backend as `<directory>_weights.png`,
    where directory is that of the search. What cannot be drawn, such as a
    search for the shape of a loss, is logged once; it never ends the run.

    Args:
        interval: Rounds between two pictures. Defaults to 1.
    """

    def __init__(self, interval: int = 1) -> None:
        if interval < 1:
            raise ValueError(
                f'`interval` should be a positive number of rounds. Found '
                f'{interval}.'
            )
        self._interval = interval
        self._failed = False

    @master_only
    def after_exploration_round(
        self, runner: Any, record: dict[str, Any]
    ) -> None:
        """Draw what the history of the search holds."""
        if record['round'] % self._interval:
            return
        directory: Path = runner.train_loop.directory
        try:
            search = read_search(directory / HISTORY_FILE.name)
            assert search is not None  # of this round at least
            runner.visualizer.add_image(
                # No slash, which a local file would take for a directory;
                # MLflow knows the format by the suffix.
                f'{directory.name}_weights.png',
                _pixels(weights_figure(search)),
                step=record['round'],
            )
        except Exception as error:
            self._log_once(error)

    def _log_once(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            print_log(
                f'No picture of the search: {error}',
                logger='current',
                level=logging.WARNING,
            )


def _pixels(figure: Figure) -> np.ndarray:
    """Return a figure as an RGB image, (height, width, 3) of uint8."""
    figure.set_dpi(_DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
