"""The page on the architecture agrees with the code."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import torch

from mmada.datasets import SceneOptions, make_scenes, scene_metainfo
from mmada.evaluation import PanopticQuality
from tests.support import toy
from tests.test_docs.pages import DOCS, REPO
from tests.test_layers import (
    FILES,
    LAYERS,
    PEERS,
    folder_of,
    imports,
    package_of,
)

PAGE = (DOCS / 'architecture.md').read_text()


def rows() -> list[list[str]]:
    """Returns the cells of the table of layers, without marks of code."""
    lines = re.findall(r'^\|\s+\d.*\|$', PAGE, re.M)
    return [
        [cell.strip().strip('`') for cell in line.strip('|').split('|')]
        for line in lines
    ]


def test_the_table_names_every_package_and_its_layer():
    assert {row[1]: int(row[0]) for row in rows()} == LAYERS


def test_the_table_says_which_neighbour_is_used():
    used: dict[str, set[str]] = {}
    for path in FILES:
        package = folder_of(path)
        for name in imports(path.read_text(), package_of(path)):
            other = name.removeprefix('mmada.').split('.')[0]
            if other != package and LAYERS.get(other) == LAYERS[package]:
                used.setdefault(package, set()).add(other)
    assert used == {row[1]: {row[4]} for row in rows() if row[4]}
    assert used == {package: {peer} for package, peer in PEERS.items()}


def walks() -> dict[str, list[str]]:
    """Returns the files of each walk by the value that it follows."""
    parts = re.split(r'^\*\*An? (\w+)\*\*', PAGE, flags=re.M)
    rows = r'^\|.*\| `([\w/]+\.py)` +\|$'
    return {
        name: re.findall(rows, text, re.M)
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_walks_are_short_and_enter_no_file_twice():
    lengths = {name: len(files) for name, files in walks().items()}
    assert lengths.keys() == {'loss', 'action', 'reward'}
    assert lengths['loss'] <= 18
    assert lengths['action'] <= 17
    assert lengths['reward'] <= 23
    assert all(len(set(files)) == len(files) for files in walks().values())


def test_a_search_enters_the_files_of_the_walks(tmp_path):
    """The toy has a metric of its own, so that of images is called here."""
    package = str(REPO / 'mmada') + os.sep
    entered = set()

    def note(frame, event, argument):
        entered.add(frame.f_code.co_filename)

    controller = dict(type='AdaSegment', preset='paper', num_replicas=4)
    loop = toy.exploration(num_rounds=2, controller=controller)
    runner = toy.runner(tmp_path / 'run', train_cfg=loop)
    make_scenes(tmp_path / 'scenes', SceneOptions(num=dict(reward=2)))
    annotations = tmp_path / 'scenes/annotations'
    sys.setprofile(note)
    try:
        runner.train()
        evaluate_truth(
            annotations / 'panoptic_reward.json',
            annotations / 'panoptic_reward',
        )
    finally:
        sys.setprofile(None)
    names = {f.removeprefix(package) for f in entered if package in f}
    files = {file for walk in walks().values() for file in walk}
    assert files - names == set()


def evaluate_truth(ann_file: Path, folder: Path) -> None:
    """Scores the true maps as predictions, with resamples."""
    metric = PanopticQuality(str(ann_file), str(folder), resamples=2)
    metric.dataset_meta = scene_metainfo()
    images = json.loads(ann_file.read_text())['images']
    samples = [
        dict(
            img_id=image['id'],
            img_path=image['file_name'],
            pred_panoptic_seg=dict(
                sem_seg=torch.zeros(1, image['height'], image['width']).long()
            ),
        )
        for image in images
    ]
    metric.process({}, samples)
    assert metric.evaluate(len(samples))['coco_panoptic/PQ'] >= 0
