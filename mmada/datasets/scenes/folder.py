"""Folders of generated scenes in the COCO panoptic format.

``OUT/{split}/*.png`` holds the images, ``OUT/annotations/panoptic_{split}``
the segment maps, ``OUT/annotations/panoptic_{split}.json`` the annotations
and ``OUT/scenes.json`` the options that the folder was made with.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmada.datasets.coco_panoptic import id_to_rgb, write_png
from mmada.datasets.scenes.classes import scene_categories
from mmada.datasets.scenes.scene import (
    MIN_SIZE,
    RADII,
    SPLITS,
    check_size,
    draw_scene,
    scene_rng,
)

MANIFEST = 'scenes.json'
GENERATOR_VERSION = 2
"""Raised whenever the same seed would give other files than before."""

FIRST_IDS = {split: k * 10**6 for k, split in enumerate(SPLITS)}
"""Image ids differ by split, so that the truth of one is none of another's."""

MAX_NUM = 10**6


@dataclass(frozen=True)
class SceneOptions:
    """What to generate.

    Args:
        size: Height and width in pixels, at least 64 and 96.
        num: Number of images of each split.
        seed: Seed of the dataset, >= 0.
        min_radius: Radius of the smallest things, in 64ths of the shorter
            side; a larger one makes things easier to find.

    Raises:
        ValueError: If a value is out of range.
    """

    size: tuple[int, int] = MIN_SIZE
    num: Mapping[str, int] = field(
        default_factory=lambda: dict(train=256, reward=96, test=128)
    )
    seed: int = 0
    min_radius: float = RADII[0]

    def __post_init__(self) -> None:
        check_size(self.size)
        unknown = sorted(set(self.num) - set(SPLITS))
        if unknown or not self.num:
            raise ValueError(
                f'`num` should have splits of {SPLITS}. Found '
                f'{unknown or "none"}.'
            )
        if not all(1 <= number <= MAX_NUM for number in self.num.values()):
            raise ValueError(
                f'`num` should be in 1..{MAX_NUM} for every split. '
                f'Found {dict(self.num)}.'
            )
        if self.seed < 0:
            raise ValueError(f'`seed` should be >= 0. Found {self.seed}.')
        if not RADII[0] <= self.min_radius <= RADII[1]:
            raise ValueError(
                f'`min_radius` should be in {RADII}. Found {self.min_radius}.'
            )

    def manifest(self) -> dict[str, Any]:
        """Return what identifies a folder, as it reads back from JSON."""
        record = dict(asdict(self), version=GENERATOR_VERSION)
        return dict(record, size=list(self.size), num=dict(self.num))


def make_scenes(out: str | Path, options: SceneOptions) -> bool:
    """Generate a folder of scenes, or find it there.

    The folder appears in one step when it is complete.

    Args:
        out: Folder to make; its parents are made too.
        options: What to generate.

    Returns:
        True if the folder was made, False if it was there already.

    Raises:
        ValueError: If the folder holds something else, or scenes of other
            options.
    """
    out = Path(out)
    if _is_made(out, options):
        return False
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f'.{out.name}.', dir=out.parent))
    work.chmod(0o755)
    try:
        for split in options.num:
            _write_split(work, split, options)
        (work / MANIFEST).write_text(json.dumps(options.manifest()))
        os.replace(work, out)
    except OSError:
        # Another process may have made the same folder meanwhile.
        if not _is_made(out, options):
            raise
        return False
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return True


def _is_made(out: Path, options: SceneOptions) -> bool:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / MANIFEST).is_file():
        raise ValueError(
            f'{out} should be a new folder or hold {MANIFEST}. '
            'Found something else.'
        )
    found = json.loads((out / MANIFEST).read_text())
    expected = options.manifest()
    if found != expected:
        names = [k for k in expected if found.get(k) != expected[k]]
        raise ValueError(
            f'{out} should hold scenes of the same options. Found '
            + ', '.join(
                f'{k} {found.get(k)} in place of {expected[k]}' for k in names
            )
            + '. Choose another folder or remove it.'
        )
    return True


def _write_split(root: Path, split: str, options: SceneOptions) -> None:
    maps = root / 'annotations' / f'panoptic_{split}'
    (root / split).mkdir()
    maps.mkdir(parents=True)
    height, width = options.size
    images, annotations = [], []
    for index in range(options.num[split]):
        rng = scene_rng(options.seed, split, index)
        scene = draw_scene(rng, options.size, options.min_radius)
        image_id, name = FIRST_IDS[split] + index, f'{index:06d}.png'
        write_png(root / split / name, scene.image)
        write_png(maps / name, id_to_rgb(scene.id_map))
        images.append(
            dict(id=image_id, file_name=name, height=height, width=width)
        )
        annotations.append(
            dict(
                image_id=image_id,
                file_name=name,
                segments_info=scene.segments,
            )
        )
    content = dict(
        images=images, annotations=annotations, categories=scene_categories()
    )
    target = root / 'annotations' / f'panoptic_{split}.json'
    target.write_text(json.dumps(content))
