"""Tables and pictures of the Auto Seg-Loss benchmark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from asl_jobs import METRICS, search_job
from torch import Tensor

from mmada.engine.targets.surrogate_points import CURVE_FILE
from mmada.surrogates import load_curve
from mmada.visualization import (
    curves_figure,
    save_figure,
    scores_figure,
    scores_markdown,
)

Record = dict[str, Any]
Scores = dict[str, dict[str, list[float]]]


def write_tables(
    work_dir: Path, metrics: Sequence[str], seed: int, records: list[Record]
) -> None:
    """Writes `tables.md`, `losses.png` and `curves.png`.

    Args:
        work_dir: Directory of the benchmark.
        metrics: What was searched for.
        seed: That of the searches.
        records: All results.
    """
    parts = []
    for scenes, head in (
        ('scenes', 'fcn'),
        ('other scenes', 'fcn'),
        ('scenes', 'psp'),
    ):
        scores = _scores(
            r for r in records if (r['scenes'], r['head']) == (scenes, head)
        )
        table = scores_markdown(scores, METRICS)
        parts.append(f'{scenes}, head {head}\n\n{table}\n')
        if (scenes, head) == ('scenes', 'fcn'):
            figure = scores_figure(scores, METRICS)
            save_figure(figure, work_dir / 'losses.png')
    text = '\n'.join(parts)
    (work_dir / 'tables.md').write_text(text)
    print(text)
    searches = [_search(work_dir, metric, seed) for metric in metrics]
    save_figure(curves_figure(searches), work_dir / 'curves.png')


def _scores(records: Iterable[Record]) -> Scores:
    """Returns the scores of the trainings by loss and metric, over seeds."""
    scores: Scores = {}
    for record in sorted(records, key=lambda r: r['seed']):
        if not record['metrics'] or record['name'] == 'pretrain':
            continue
        row = scores.setdefault(record['name'], {m: [] for m in METRICS})
        for metric in METRICS:
            row[metric].append(record['metrics'][metric])
    return dict(sorted(scores.items()))


def _search(
    work_dir: Path, metric: str, seed: int
) -> tuple[str, list[list[float]], Tensor]:
    """Returns a search's metric, its means by round, and what it found."""
    folder = work_dir / search_job(metric, seed).key
    lines = (folder / 'exploration' / 'history.jsonl').read_text().splitlines()
    means = [json.loads(line)['actions'][0] for line in lines]
    points = load_curve(folder / CURVE_FILE).points
    return metric, means, torch.tensor(points, dtype=torch.float64)
