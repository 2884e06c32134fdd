"""The demo's table and pictures, from the models that it trained."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import mmcv
from mmengine.config import Config

from mmada.datasets import scene_metainfo
from mmada.engine.quiet import quiet
from mmada.engine.reward import RewardEvaluator
from mmada.utils.files import replace
from mmada.utils.tables import aligned, markdown
from mmada.visualization import (
    HISTORY_FILE,
    WEIGHTS_FILE,
    PanelRow,
    Segmentation,
    panoptic_panel,
    read_epochs,
    read_search,
    save_figure,
    weights_figure,
)
from mmada.visualization.report.predictions import build_trained

METRICS = ('PQ', 'PQ_th', 'PQ_st')
PANEL_IMAGES = 3
NUMBERS = range(1, 5)
_HEADER = ('method', 'PQ', 'things', 'stuff', 'cost', 'note')


@dataclass(frozen=True)
class Model:
    """A row of the table.

    Attributes:
        name: What it is called.
        config: Its config file.
        checkpoint: Its checkpoint.
        cost: What it took, in units of one training.
        note: A remark.
    """

    name: str
    config: Path
    checkpoint: Path
    cost: float
    note: str = ''


def show_results(
    work_dir: Path, models: list[Model], baseline: Model, ours: Model
) -> None:
    """Print the table, and write it and the pictures to a directory.

    Args:
        work_dir: Where the demo is.
        models: Rows of the table.
        baseline: What they are compared with, and the third column of the
            picture.
        ours: Its last column; the picture of the weights is of its search.
    """
    rows = []
    for model in models:
        with quiet(logging.ERROR):
            found = evaluate(*load(model))
        pq, things, stuff = (found[name] for name in METRICS)
        rows.append(
            ResultRow(model.name, pq, things, stuff, model.cost, model.note)
        )
    table = results_markdown(rows) + '\n'
    replace(work_dir / 'results.md', table, durable=False)
    run = ours.checkpoint.parent
    search = read_search(run / HISTORY_FILE)
    assert search is not None  # it has ended
    figure = weights_figure(search, read_epochs(run / WEIGHTS_FILE))
    save_figure(figure, work_dir / 'weights.png')
    with quiet(logging.ERROR):
        images = panel(baseline, ours)
    save_figure(images, work_dir / 'images.png')
    print(f'\nWeights, the mean of each training\n{weights_text(models)}')
    print(f'\nPQ on the test split\n{results_text(rows)}')
    print(f'\n{reading(rows, baseline.name)}\n')
    for name in ('results.md', 'weights.png', 'images.png'):
        print(work_dir / name)


def write_page(baseline: Model, ours: Model) -> None:
    """Write the report of a run and print where it is."""
    folder = ours.checkpoint.parent
    try:
        from mmada.visualization.report import ReportOptions, write_report
    except ModuleNotFoundError as error:
        print(f'No report: {error}. Install: pip install "mmada[report]"')
        return
    options = ReportOptions(baseline=baseline.checkpoint.parent, images=6)
    with quiet(logging.ERROR):
        page = write_report(folder, options).page
    print(f'{page}; open it: xdg-open {page}')


def weights_text(models: Sequence[Model]) -> str:
    """Lay out the mean weights of the trainings that recorded some."""
    lines: list[list[str]] = []
    for model in models:
        epochs = read_epochs(model.checkpoint.parent / WEIGHTS_FILE)
        if epochs is None:
            continue
        if not lines:
            lines.append(['method', *epochs.names])
        means = epochs.weights.mean(axis=0)
        lines.append([model.name, *(f'{value:.2f}' for value in means)])
    return '\n'.join('  '.join(cells) for cells in aligned(lines))


def reading(rows: Sequence[ResultRow], baseline: str) -> str:
    """Say in words what the table says of each method."""
    (reference,) = (row for row in rows if row.method == baseline)
    parts = [
        f'{row.method} {abs(row.pq - reference.pq):.1f} '
        f'{"above" if row.pq >= reference.pq else "below"} at '
        f'{row.cost:.3g} times its cost'
        for row in rows
        if row.method != baseline
    ]
    return f'Against {baseline}, in PQ: {"; ".join(parts)}.'


def load(model: Model) -> tuple[Any, Config]:
    """Build a model with its checkpoint."""
    config = Config.fromfile(model.config)
    return build_trained(config, model.checkpoint), config


def test_evaluator(config: Config) -> RewardEvaluator:
    """Build the evaluator of the test split."""
    return RewardEvaluator(
        config.test_dataloader, config.test_evaluator, 'coco_panoptic/PQ', 0
    )


def evaluate(network: Any, config: Config) -> dict[str, float]:
    """Return PQ of all, things and stuff on the test split."""
    metrics = test_evaluator(config).evaluate(network)
    return {name: metrics[f'coco_panoptic/{name}'] for name in METRICS}


def panel(baseline: Model, ours: Model) -> Any:
    """Draw the first test images side by side."""
    _, config = load(ours)
    evaluator = config.test_evaluator
    annotations = json.loads(Path(evaluator.ann_file).read_text())
    ids = [c['id'] for c in annotations['categories']]
    chosen = annotations['annotations'][:PANEL_IMAGES]
    predictions = [predict(model, chosen) for model in (baseline, ours)]
    folder, truth = Path(config.data_root) / 'test', Path(evaluator.seg_prefix)
    rows = [
        PanelRow(
            mmcv.imread(folder / a['file_name'], channel_order='rgb'),
            Segmentation.from_file(
                (truth / a['file_name']).read_bytes(), a['segments_info']
            ),
            *(
                Segmentation.from_labels(p[a['image_id']], ids)
                for p in predictions
            ),
        )
        for a in chosen
    ]
    names = dict(zip(ids, scene_metainfo()['classes'], strict=True))
    return panoptic_panel(
        rows, names, ('image', 'truth', baseline.name, ours.name)
    )


def predict(model: Model, annotations: list[dict[str, Any]]) -> dict[int, Any]:
    """Return a model's panoptic maps of some test images, by image."""
    network, config = load(model)
    wanted = {a['image_id'] for a in annotations}
    found: dict[int, Any] = {}
    for batch in test_evaluator(config).dataloader:
        if not wanted & {s.img_id for s in batch['data_samples']}:
            continue
        for sample in network.val_step(batch):
            if sample.img_id in wanted:
                segments = sample.pred_panoptic_seg.sem_seg
                found[sample.img_id] = segments[0].cpu().numpy()
    return found


class ResultRow(NamedTuple):
    """What a method reached.

    Attributes:
        method: Its name.
        pq: Panoptic quality in percent, NaN if unknown.
        things: The same of things.
        stuff: The same of stuff.
        cost: In units of one training.
        note: A remark, or an empty string.
    """

    method: str
    pq: float
    things: float
    stuff: float
    cost: float
    note: str = ''


def results_text(rows: Sequence[ResultRow]) -> str:
    """Lay out results in columns for a terminal or a log.

    Args:
        rows: One for each method.

    Returns:
        Lines without a newline at the end; no column for notes if there
        are none.
    """
    cells = aligned(_cells(rows), NUMBERS)
    lines = ['  '.join(row).rstrip() for row in cells]
    rule = '-' * max(map(len, lines))
    return '\n'.join([lines[0], rule, *lines[1:]])


def results_markdown(rows: Sequence[ResultRow]) -> str:
    """Lay out results as a Markdown table.

    Args:
        rows: One for each method.

    Returns:
        Lines without a newline at the end; no column for notes if there
        are none.
    """
    escaped = [
        [cell.replace('|', '\\|') for cell in line] for line in _cells(rows)
    ]
    return '\n'.join(markdown(escaped, NUMBERS))


def _cells(rows: Sequence[ResultRow]) -> list[list[str]]:
    columns = len(_HEADER) if any(row.note for row in rows) else -1
    lines = [
        (
            row.method,
            _percent(row.pq),
            _percent(row.things),
            _percent(row.stuff),
            f'{row.cost:.3g}x',
            row.note,
        )
        for row in rows
    ]
    return [list(line[:columns]) for line in [_HEADER, *lines]]


def _percent(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.1f}'
