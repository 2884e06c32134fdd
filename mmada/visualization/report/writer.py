"""Writing a report into a work directory, only what has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from mmada.utils.files import replace
from mmada.visualization.figures import save_figure
from mmada.visualization.panoptic_panel import panoptic_panel
from mmada.visualization.report.chart import Chart
from mmada.visualization.report.page import ASSETS, render_page
from mmada.visualization.report.panels import (
    Panel,
    changed_rows,
    classes_panel,
    comparison_panel,
    configuration_panel,
    costs_panel,
    gallery_panel,
    losses_panel,
    metrics_panel,
    rewards_panel,
    sanity_panel,
    summary_panel,
    weights_panel,
)
from mmada.visualization.report.panels.summary import state
from mmada.visualization.report.predictions import ModelPair, predict_pair
from mmada.visualization.report.run import Run, read_run
from mmada.visualization.report.static_chart import static_figure

FOLDER = 'report'
PAGE = 'report.html'
_DIGESTS = 'digests.json'
_PANEL_IMAGES = 6


@dataclass(frozen=True)
class ReportOptions:
    """What goes into a report.

    Attributes:
        others: Work directories of runs to compare with.
        baseline: Work directory or checkpoint of the gallery's baseline;
            None for no gallery.
        images: Images of the gallery.
        refresh: Seconds after which an open page of an unfinished run is
            loaded again.
    """

    others: Sequence[Path] = ()
    baseline: Path | None = None
    images: int = 12
    refresh: int = 60


@dataclass(frozen=True)
class WrittenReport:
    """What a call did.

    Attributes:
        page: The page.
        written: Files that were written anew.
        finished: Whether the run is over.
    """

    page: Path
    written: Sequence[Path]
    finished: bool


def write_report(
    work_dir: Path, options: ReportOptions | None = None
) -> WrittenReport:
    """Write page and figures into ``WORK_DIR/report``.

    Files whose content would be the same are left alone, and predictions
    are made once for each checkpoint, so that a second call is cheap.

    Args:
        work_dir: Of a run, finished or not.
        options: What goes into it.

    Raises:
        OSError: If something cannot be read or written.
        ValueError: If a record is damaged, or the gallery cannot be made.
    """
    options = options or ReportOptions()
    run = read_run(work_dir)
    runs = [run, *(read_run(other) for other in options.others)]
    folder = work_dir / FOLDER
    pair = None
    if options.baseline is not None:
        pair = predict_pair(options.baseline, work_dir, folder / 'predictions')
    panels = _panels(runs, pair, options.images)
    out = _Output(folder)
    for panel in panels:
        for chart in panel.charts:
            out.figure(chart)
    if pair is not None and options.images:
        out.pictures(pair, min(options.images, _PANEL_IMAGES))
    out.page(run, panels, 0 if run.finished else options.refresh)
    out.close()
    return WrittenReport(folder / PAGE, out.written, run.finished)


def _panels(
    runs: Sequence[Run], pair: ModelPair | None, images: int
) -> list[Panel]:
    run = runs[0]
    classes = None if pair is None else classes_panel(pair)
    found = [
        summary_panel(run, () if classes is None else classes.advice),
        sanity_panel(run),
        weights_panel(run),
        losses_panel(run),
        metrics_panel(run),
        rewards_panel(run),
        costs_panel(run),
    ]
    if pair is not None:
        found += [gallery_panel(pair, images)] if images else []
    found += [classes, comparison_panel(runs), configuration_panel(run)]
    return [panel for panel in found if panel is not None]


class _Output:
    """Writes what has other inputs than the last time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Path] = []
        self._old = _read_digests(folder / _DIGESTS)
        self._new: dict[str, str] = {}

    def figure(self, chart: Chart) -> None:
        """Draw a chart as PNG."""
        name = f'{chart.key.replace(" ", "-")}.png'
        if self._changed(name, repr(chart)):
            self._save(name, static_figure(chart))

    def pictures(self, pair: ModelPair, number: int) -> None:
        """Draw the images that changed most as PNG."""
        inputs = (pair.baseline.folder, pair.ours.folder, number)
        if not self._changed('images.png', repr(inputs)):
            return
        names = {c: found.name for c, found in pair.categories.items()}
        rows = [row for _, row in changed_rows(pair, number)]
        titles = ('image', 'truth', *pair.names)
        self._save('images.png', panoptic_panel(rows, names, titles))

    def page(self, run: Run, panels: Sequence[Panel], refresh: int) -> None:
        """Write the page in one step."""
        assets = [path.read_text() for path in sorted(ASSETS.iterdir())]
        inputs = repr((state(run), panels, refresh, assets))
        if not self._changed(PAGE, inputs):
            return
        text = render_page(run.name, state(run), panels, refresh)
        self._replace(PAGE, text)
        self.written.append(self.folder / PAGE)

    def close(self) -> None:
        """Keep what the files were made of, and drop files of the past."""
        for name in self._old.keys() - self._new.keys():
            (self.folder / name).unlink(missing_ok=True)
        if self._new != self._old:
            self._replace(_DIGESTS, json.dumps(self._new, indent=1))

    def _changed(self, name: str, inputs: str) -> bool:
        digest = hashlib.sha256(inputs.encode()).hexdigest()
        self._new[name] = digest
        there = (self.folder / name).exists()
        return not there or self._old.get(name) != digest

    def _save(self, name: str, figure: Figure) -> None:
        self.written.append(save_figure(figure, self.folder / name))

    def _replace(self, name: str, text: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        replace(self.folder / name, text, durable=False)


def _read_digests(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}
