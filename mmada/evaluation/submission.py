"""Predictions as files that COCO's evaluation server takes.

The server wants ``panoptic_{set}_{name}_results.json`` next to a folder of
segment maps ``panoptic_{set}_{name}_results``, both in one zip file.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmada.datasets.id_maps import VOID, id_to_rgb, write_png

from .label_map import split_labels
from .segment_map import label_areas, to_segment_map


def to_segments(
    labels: NDArray[np.integer],
    category_ids: Sequence[int],
    ignore_index: int,
) -> tuple[NDArray[np.integer], list[dict[str, Any]]]:
    """Turn a panoptic map of mmdet into segments with ids of their own.

    The ids are 1, 2 and so on: mmdet's labels would give the first class,
    where it is stuff, the id of void.

    Args:
        labels: Class + 1000 x instance of each pixel.
        category_ids: Category id of each class.
        ignore_index: Class that is void, besides ``len(category_ids)``.

    Returns:
        The map of ids, and ``segments_info``.

    Raises:
        ValueError: If a label has an unknown class.
    """
    runs = to_segment_map(labels)
    areas = label_areas(runs)
    categories, _ = split_labels(areas, category_ids, ignore_index)
    ids = np.full(len(areas), VOID, dtype=np.int32)
    segments: list[dict[str, Any]] = []
    for k, (label, area) in enumerate(areas.items()):
        if label in categories:
            ids[k] = len(segments) + 1
            segments.append(
                dict(
                    id=int(ids[k]),
                    category_id=categories[label],
                    area=area,
                )
            )
    segment_map = np.repeat(ids[runs.owners], runs.lengths)
    return segment_map.reshape(labels.shape), segments


class SubmissionWriter:
    """Writes the maps one by one, and at the end the JSON and the zip file.

    A context manager; nothing but maps is left behind by an error.

    Args:
        out_dir: Folder to make or to fill.
        name: What the method is called.
        image_set: Name of the images, such as 'test-dev2017'.

    Raises:
        ValueError: If the folder holds maps already.
    """

    def __init__(self, out_dir: str | Path, name: str, image_set: str) -> None:
        stem = f'panoptic_{image_set}_{name}_results'
        self.folder = Path(out_dir) / stem
        self.json_path = Path(out_dir) / f'{stem}.json'
        self.zip_path = Path(out_dir) / f'{stem}.zip'
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise ValueError(
                f'{self.folder} should be empty or new, found files; choose '
                'another name or remove them'
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._records: dict[int | str, dict[str, Any]] = {}
        self._names: set[str] = set()

    def add(
        self,
        image_id: int | str,
        file_name: str,
        ids: NDArray[np.integer],
        segments: list[dict[str, Any]],
    ) -> None:
        """Write the map of an image.

        Args:
            image_id: The image; of two predictions the first counts.
            file_name: Its photograph.
            ids: Map of segment ids.
            segments: ``segments_info``.

        Raises:
            ValueError: If another image has a map of this name.
        """
        if image_id in self._records:
            return
        name = PurePosixPath(file_name).with_suffix('.png').name
        if name in self._names:
            raise ValueError(
                f'image {image_id}: file names should differ without their '
                f'folder and suffix, found a second {name}'
            )
        write_png(self.folder / name, id_to_rgb(ids))
        self._names.add(name)
        self._records[image_id] = dict(
            image_id=image_id, file_name=name, segments_info=segments
        )

    def __enter__(self) -> SubmissionWriter:
        """Start to write."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the JSON and the zip file if all went well."""
        if kind is not None:
            return
        content = dict(annotations=list(self._records.values()))
        self.json_path.write_text(json.dumps(content))
        with zipfile.ZipFile(self.zip_path, 'w') as archive:
            archive.write(
                self.json_path, self.json_path.name, zipfile.ZIP_DEFLATED
            )
            for path in sorted(self.folder.iterdir()):
                # PNG files are compressed already.
                archive.write(path, f'{self.folder.name}/{path.name}')
