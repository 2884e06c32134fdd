"""The demo's table and pictures, from the models that it trained."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
from mmengine.config import Config

from mmada.datasets import scene_metainfo
from mmada.datasets.id_maps import decode_id_map
from mmada.engine.rewards.reward_evaluator import RewardEvaluator
from mmada.visualization import (
    HISTORY_FILE,
    WEIGHTS_FILE,
    PanelRow,
    ResultRow,
    Segmentation,
    panoptic_panel,
    read_history,
    read_weights,
    results_markdown,
    results_text,
    save_figure,
    weights_figure,
)
from mmada.visualization.trained_model import build_trained, quiet

METRICS = ('PQ', 'PQ_th', 'PQ_st')
PANEL_IMAGES = 3


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


def load(model: Model) -> tuple[Any, Config]:
    """Builds a model with its checkpoint."""
    config = Config.fromfile(model.config)
    return build_trained(config, model.checkpoint), config


def test_evaluator(config: Config) -> RewardEvaluator:
    """Builds the evaluator of the test split."""
    return RewardEvaluator(
        config.test_dataloader, config.test_evaluator, 'coco_panoptic/PQ', 0
    )


def evaluate(network: Any, config: Config) -> dict[str, float]:
    """Returns PQ of all, things and stuff on the test split."""
    metrics = test_evaluator(config).evaluate(network)
    return {name: metrics[f'coco_panoptic/{name}'] for name in METRICS}


def report(
    work_dir: Path, models: list[Model], baseline: Model, ours: Model
) -> None:
    """Prints the table and writes it and the pictures to a directory.

    Args:
        work_dir: Where the demo is, and its exploration below the directory
            of `ours`.
        models: Rows of the table.
        baseline: The model of the third column of the panel.
        ours: That of the last.
    """
    rows = []
    for model in models:
        with quiet():
            found = evaluate(*load(model))
        rows.append(
            ResultRow(
                model.name,
                found['PQ'],
                found['PQ_th'],
                found['PQ_st'],
                model.cost,
                model.note,
            )
        )
    (work_dir / 'results.md').write_text(results_markdown(rows) + '\n')
    run = ours.checkpoint.parent
    figure = weights_figure(
        read_history(run / HISTORY_FILE), read_weights(run / WEIGHTS_FILE)
    )
    save_figure(figure, work_dir / 'weights.png')
    with quiet():
        images = panel(baseline, ours)
    save_figure(images, work_dir / 'images.png')
    print(f'\nPQ on the test split\n{results_text(rows)}\n')
    for name in ('results.md', 'weights.png', 'images.png'):
        print(work_dir / name)


def panel(baseline: Model, ours: Model) -> Any:
    """Draws the first test images side by side."""
    _, config = load(ours)
    evaluator = config.test_evaluator
    annotations = json.loads(Path(evaluator.ann_file).read_text())
    ids = [c['id'] for c in annotations['categories']]
    chosen = annotations['annotations'][:PANEL_IMAGES]
    predictions = [predict(model, chosen) for model in (baseline, ours)]
    folder = Path(config.data_root) / 'test'
    rows = [
        PanelRow(
            mmcv.imread(folder / a['file_name'], channel_order='rgb'),
            truth(a, Path(evaluator.seg_prefix)),
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


def truth(annotation: dict[str, Any], folder: Path) -> Segmentation:
    """Reads the true segmentation of an image."""
    data = (folder / annotation['file_name']).read_bytes()
    categories = {
        s['id']: s['category_id'] for s in annotation['segments_info']
    }
    return Segmentation(decode_id_map(data), categories)


def predict(model: Model, annotations: list[dict[str, Any]]) -> dict[int, Any]:
    """Returns a model's panoptic maps of some test images, by image."""
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
