"""Lists of image ids in text files: the format that splits are published in.

A list holds ids only, one a line, ascending, after a header::

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
`ImageIdList.check_source` knows a list that was made from something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import NamedTuple

from mmengine.fileio import get_text

FIRST_LINE = '# mmada image ids 1'
TYPES: dict[str, type] = dict(int=int, text=str)

ImageId = int | str


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
                f'of image ids was made from, found {len(ids)} images'
                + (', others' if len(ids) == self.num_images else '')
            )


def sort_ids(ids: Iterable[ImageId]) -> list[ImageId]:
    """Return ids in the order of the format.

    Raises:
        ValueError: If they are neither all integers nor all text, or a text
            does not fit on a line.
    """
    found = list(ids)
    kinds = {type(i) for i in found}
    if not (kinds <= {int} or kinds <= {str}):
        raise ValueError(
            'image ids should be all integers or all text, found '
            f'{sorted(kind.__name__ for kind in kinds)}'
        )
    for each in found:
        if isinstance(each, str) and (
            each != each.strip() or not each.isprintable() or each[:1] in '#'
        ):
            raise ValueError(
                'an image id should be text on a line, without blanks '
                f'around it and no # in front, found {each!r}'
            )
    return sorted(found)


def digest_ids(ids: Iterable[ImageId]) -> str:
    """Return the SHA-256 of ids, one a line, ascending."""
    digest = hashlib.sha256()
    for each in sort_ids(ids):
        digest.update(f'{each}\n'.encode())
    return digest.hexdigest()


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
            f'{path} should be a list of image ids as '
            f'tools/make_proxy_split.py writes it: {error}'
        ) from None


def parse_ids(text: str) -> ImageIdList:
    """Read the text of a list.

    Raises:
        ValueError: If it is no such list, or not complete.
    """
    first, *lines = text.splitlines() or ['']
    if first != FIRST_LINE:
        raise ValueError(
            f'the first line should be {FIRST_LINE!r}, found {first[:60]!r}'
        )
    header = _read_header(line for line in lines if line.startswith('#'))
    body = [line for line in lines if not line.startswith('#')]
    try:
        num_images, listed = int(header.pop('images')), header.pop('listed')
        kind, digest = TYPES[header.pop('type')], header.pop('sha256')
    except (KeyError, ValueError) as error:
        raise ValueError(
            'the header should have images, sha256, listed, and the type int '
            f'or text, found none at {error}'
        ) from None
    ids = tuple(map(kind, body))
    if str(len(ids)) != listed:
        raise ValueError(f'{listed} ids should follow, found {len(ids)}')
    if any(a >= b for a, b in zip(ids, ids[1:], strict=False)):
        raise ValueError('ids should be ascending, each once')
    return ImageIdList(ids, num_images, digest, header)


def _read_header(lines: Iterable[str]) -> dict[str, str]:
    pairs = (line[1:].partition(':') for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}
