"""Some images of a dataset, by a list of their ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from mmada.datasets.image_ids import read_ids

KEEP = ('listed', 'others')


@DATASETS.register_module()
class ImageSubset:
    """The images of a dataset that a list names, or the others.

    So a part of the training images can be held out without a copy of the
    annotation file::

        dataset=dict(
            type='ImageSubset',
            ids_file='data/coco/annotations/'
                     'panoptic_train2017_proxy_reward.txt',
            keep='others',
            dataset=dict(type='CocoPanopticDataset', ...))

    The list has to be made from the annotation file of the dataset, or from
    one of the same images (``tools/make_proxy_split.py``). Of the dataset's
    own options ``filter_cfg`` leaves out images of the subset, too, and
    ``indices`` counts the images of the subset.

    Args:
        dataset: Config of a dataset whose images have an ``img_id``.
        ids_file: The list, see :mod:`mmada.datasets.image_ids`.
        keep: 'listed' or 'others'.
        lazy_init: Whether to load annotations later. Defaults to False.
        backend_args: File backend of mmengine for the list. Defaults to
            None.

    Raises:
        OSError: If the list cannot be read.
        ValueError: If an option, the dataset or the list does not fit, or no
            image is left.
    """

    def __init__(
        self,
        dataset: Mapping[str, Any],
        ids_file: str,
        keep: Literal['listed', 'others'],
        lazy_init: bool = False,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        if keep not in KEEP:
            raise ValueError(f'keep should be one of {KEEP}, found {keep!r}')
        self.ids_file = ids_file
        self.keep = keep
        self._list = read_ids(ids_file, backend_args)
        self.dataset = DATASETS.build(dict(dataset, lazy_init=True))
        if not isinstance(self.dataset, BaseDataset):
            raise ValueError(
                'dataset should be a BaseDataset of mmengine, found '
                f'{type(self.dataset).__name__}; put ImageSubset inside of '
                'such a wrapper'
            )
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict[str, Any]:
        """Classes and the like, those of the whole dataset."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Load the annotations of the subset.

        Raises:
            ValueError: If the list does not fit or no image is left.
        """
        if self._fully_initialized:
            return
        # The subset is taken where the dataset filters itself: all ids are
        # known there, `indices` still counts, and what is held for long, the
        # serialised data, is that of the subset alone.
        self.dataset.filter_data = self._filter
        try:
            self.dataset.full_init()
        finally:
            del self.dataset.filter_data
        self._fully_initialized = True

    def _filter(self) -> list[dict[str, Any]]:
        data = self.dataset.data_list
        self._check(data)
        listed = set(self._list.ids)
        wanted = self.keep == 'listed'
        self.dataset.data_list = [
            info for info in data if (info['img_id'] in listed) == wanted
        ]
        left = type(self.dataset).filter_data(self.dataset)
        if not left:
            raise ValueError(
                f'no image is left: {len(self.dataset.data_list)} of '
                f'{len(data)} are {self.keep} in {self.ids_file}, 0 of them '
                f'pass filter_cfg {self.dataset.filter_cfg}'
            )
        return left

    def _check(self, data: list[dict[str, Any]]) -> None:
        if any('img_id' not in info for info in data):
            raise ValueError(
                f'the images of {type(self.dataset).__name__} should have '
                'an img_id, found images without'
            )
        name = f'{type(self.dataset).__name__} {self.dataset.ann_file}'
        ids = {info['img_id'] for info in data}
        self._list.check_source(ids, f'ids_file {self.ids_file}: {name}')
        unknown = [i for i in self._list.ids if i not in ids]
        if unknown:
            raise ValueError(
                f'{self.ids_file} should list images of {name}, found '
                f'{len(unknown)} others, such as {unknown[0]!r}'
            )

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return the annotation of the ``idx``-th image of the subset."""
        self.full_init()
        return self.dataset.get_data_info(idx)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the categories of the ``idx``-th image of the subset."""
        self.full_init()
        return self.dataset.get_cat_ids(idx)

    def __len__(self) -> int:
        """Return the number of images of the subset."""
        self.full_init()
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        """Return what the pipeline makes of the ``idx``-th image."""
        self.full_init()
        return self.dataset[idx]
