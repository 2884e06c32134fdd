"""Some images of a dataset, by a list of their ids.

A list is a text file, the format that splits are published in. It holds ids
only, one a line, ascending, after a header::

    # mmada image ids 1
    # source: panoptic_train2017.json
    # images: 118287
    # sha256: 0e30...
    # rule: smallest sha256 of seed:id
    # seed: 0
    # listed: 10000
    # type: int
    9
    ...

``sha256`` is that of all ids of the source, one a line, ascending, so that
`ImageIdList.check_source` recognises a list of another source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from numbers import Integral
from typing import Any, Literal, NamedTuple

from mmengine.dataset import BaseDataset
from mmengine.fileio import get_text
from mmengine.registry import DATASETS

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

    The list has to be made from the annotation file of the dataset, from one
    of the same images, or from the dataset itself (``mmada split``). Images
    without an ``img_id``, as those of MMSegmentation, are listed by their
    path below the folder of images. Of the dataset's own options
    ``filter_cfg`` leaves out images of the subset, too, and ``indices``
    counts the images of the subset.

    Args:
        dataset: Config of a dataset whose images have an ``img_id`` or an
            ``img_path``.
        ids_file: The list, see :mod:`mmada.datasets.image_subset`.
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
            raise ValueError(
                f'`keep` should be one of {KEEP}. Found {keep!r}.'
            )
        if not isinstance(dataset, Mapping):
            raise ValueError(
                '`dataset` should be the config of a dataset. Found '
                f'{type(dataset).__name__}.'
            )
        self.ids_file = ids_file
        self.keep = keep
        self._list = read_ids(ids_file, backend_args)
        self.dataset = DATASETS.build(dict(dataset, lazy_init=True))
        if not isinstance(self.dataset, BaseDataset):
            raise ValueError(
                '`dataset` should be a BaseDataset of mmengine. Found '
                f'{type(self.dataset).__name__}. Put ImageSubset inside of '
                'such a wrapper.'
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
        ids = [image.id for image in images_of(self.dataset, data)]
        self._check(set(ids))
        listed = set(self._list.ids)
        wanted = self.keep == 'listed'
        self.dataset.data_list = [
            info
            for info, each in zip(data, ids, strict=True)
            if (each in listed) == wanted
        ]
        left = type(self.dataset).filter_data(self.dataset)
        if not left:
            raise ValueError(
                'At least one image should be left. Found '
                f'{len(self.dataset.data_list)} of {len(data)} that are '
                f'{self.keep} in {self.ids_file}, 0 of them pass filter_cfg '
                f'{self.dataset.filter_cfg}.'
            )
        return left

    def _check(self, ids: set[ImageId]) -> None:
        name = name_of(self.dataset)
        self._list.check_source(ids, f'ids_file {self.ids_file}: {name}')
        unknown = [i for i in self._list.ids if i not in ids]
        if unknown:
            raise ValueError(
                f'{self.ids_file} should list images of {name}. Found '
                f'{len(unknown)} others, such as {unknown[0]!r}.'
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


FIRST_LINE = '# mmada image ids 1'
TYPES: dict[str, type] = dict(int=int, text=str)
ImageId = int | str


class Image(NamedTuple):
    """An image of a dataset.

    Attributes:
        id: Its `img_id`; without one, its file.
        file: Path below the folder of the images, which is the same on
            another machine.
    """

    id: ImageId
    file: str


def images_of(
    dataset: BaseDataset, data: Iterable[Mapping[str, Any]]
) -> list[Image]:
    """Return what the images of a dataset are called.

    Args:
        dataset: A dataset.
        data: What it holds of its images.

    Raises:
        ValueError: If an image has neither an `img_id` nor an `img_path`.
    """
    folder = _folder_of_images(dataset)
    images = []
    for info in data:
        path = info.get('img_path', info.get('img_id'))
        if path is None:
            raise ValueError(
                f'The images of {type(dataset).__name__} should have an '
                'img_id or an img_path. Found images without.'
            )
        file = str(path).removeprefix(folder).lstrip('/')
        images.append(Image(info.get('img_id', file), file))
    return images


def name_of(dataset: BaseDataset) -> str:
    """Return what messages call a dataset."""
    where = dataset.ann_file or _folder_of_images(dataset)
    return f'{type(dataset).__name__} {where}'


def _folder_of_images(dataset: BaseDataset) -> str:
    prefix = dataset.data_prefix
    found = prefix.get('img_path') or prefix.get('img') or dataset.data_root
    return str(found or '')


class ImageIdList(NamedTuple):
    """Some images of an annotation file.

    Attributes:
        ids: The listed ids, ascending.
        num_images: Number of images of the source.
        digest: `digest_ids` of all images of the source.
        notes: What else the header says, such as ``seed``.
    """

    ids: tuple[ImageId, ...]
    num_images: int
    digest: str
    notes: dict[str, str]

    def check_source(self, ids: Collection[ImageId], name: str) -> None:
        """Check that the list was made from these images.

        Args:
            ids: All images.
            name: Where they come from, for the message.

        Raises:
            ValueError: If the list was made from others.
        """
        if len(ids) != self.num_images or digest_ids(ids) != self.digest:
            raise ValueError(
                f'{name} should have the {self.num_images} images of '
                f'{self.notes.get("source", "the source")}, which the list '
                f'of image ids was made from. Found {len(ids)} '
                + ('others.' if len(ids) == self.num_images else 'images.')
            )


def read_ids(
    path: str, backend_args: dict[str, str] | None = None
) -> ImageIdList:
    """Read a list.

    Args:
        path: File of the list.
        backend_args: File backend of mmengine. Defaults to None.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no such list, or not complete.
    """
    try:
        return parse_ids(get_text(path, backend_args=backend_args))
    except ValueError as error:
        raise ValueError(
            f'{path} should be a list of image ids as `mmada split` writes '
            f'it: {error}'
        ) from None


def parse_ids(text: str) -> ImageIdList:
    """Read the text of a list.

    Raises:
        ValueError: If it is no such list, or not complete.
    """
    first, *lines = text.splitlines() or ['']
    if first != FIRST_LINE:
        raise ValueError(
            f'the first line should be {FIRST_LINE!r}. Found {first[:60]!r}.'
        )
    header = _read_header(line for line in lines if line.startswith('#'))
    body = [line for line in lines if not line.startswith('#')]
    try:
        num_images, listed = int(header.pop('images')), header.pop('listed')
        kind, digest = TYPES[header.pop('type')], header.pop('sha256')
    except (KeyError, ValueError) as error:
        raise ValueError(
            'the header should have images, sha256, listed, and the type int '
            f'or text. Found none at {error}.'
        ) from None
    ids = tuple(map(kind, body))
    if str(len(ids)) != listed:
        raise ValueError(f'{listed} ids should follow. Found {len(ids)}.')
    if any(a >= b for a, b in zip(ids, ids[1:], strict=False)):
        raise ValueError('ids should be ascending, each once. Found others.')
    return ImageIdList(ids, num_images, digest, header)


def _read_header(lines: Iterable[str]) -> dict[str, str]:
    pairs = (line[1:].partition(':') for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def format_ids(content: ImageIdList) -> str:
    """Return the text of a list."""
    ids = sort_ids(content.ids)
    header = dict(
        content.notes,
        images=content.num_images,
        sha256=content.digest,
        listed=len(ids),
        type='text' if ids and isinstance(ids[0], str) else 'int',
    )
    lines = [FIRST_LINE, *(f'# {k}: {v}' for k, v in header.items())]
    return '\n'.join([*lines, *map(str, ids), ''])


def sort_ids(ids: Iterable[ImageId]) -> list[ImageId]:
    """Return ids in the order of the format.

    Raises:
        ValueError: If they are neither all integers nor all text, or a text
            does not fit on a line.
    """
    # A dataset may keep integers of NumPy, which are none of Python's.
    found = [
        int(i) if isinstance(i, Integral) and type(i) is not bool else i
        for i in ids
    ]
    types = {type(i) for i in found}
    if not (types <= {int} or types <= {str}):
        raise ValueError(
            'Image ids should be all integers or all text. Found '
            f'{sorted(each.__name__ for each in types)}.'
        )
    for each in found:
        if isinstance(each, str) and (
            each != each.strip() or not each.isprintable() or each[:1] in '#'
        ):
            raise ValueError(
                'An image id should be text on a line, without blanks '
                f'around it and no # in front. Found {each!r}.'
            )
    return sorted(found)


def digest_ids(ids: Iterable[ImageId]) -> str:
    """Return the SHA-256 of ids, one a line, ascending."""
    digest = hashlib.sha256()
    for each in sort_ids(ids):
        digest.update(f'{each}\n'.encode())
    return digest.hexdigest()
