"""Holds some training images out, to reward an exploration on them."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from mmada.commands.common import one_line_errors, read_config
from mmada.datasets.coco_panoptic import check_list
from mmada.datasets.image_subset import (
    ImageId,
    ImageIdList,
    digest_ids,
    format_ids,
    images_of,
    name_of,
    read_ids,
    sort_ids,
)
from mmada.datasets.json_stream import read_members
from mmada.diagnostics.reward.rules import FEW_IMAGES

RULE = 'smallest sha256 of seed:id'
RULE_OF_GROUPS = 'smallest sha256 of seed:group'
MOST = 10000
"""Images that are held out unless more are asked for, as in the paper."""


class Source(NamedTuple):
    """The images that some are held out of.

    Attributes:
        name: For messages and the header of the list.
        files: The file of each image.
        out: Where the list belongs.
    """

    name: str
    files: Mapping[ImageId, str]
    out: Path


def choose_reward_ids(
    groups: Mapping[ImageId, ImageId], num_reward: int, seed: int
) -> set[ImageId]:
    """Pick the images to hold out.

    The order is that of a hash of seed and group, so it is the same
    everywhere and does not depend on the order or the number of the others.
    Whole groups are held out until there are enough images.

    Args:
        groups: The group of each image, all other images of which stay on
            the same side; the id of an image that is alone.
        num_reward: How many to hold out.
        seed: Another seed gives other images.

    Raises:
        ValueError: If not at least one group is left on either side.
    """
    if not 0 < num_reward < len(groups):
        raise ValueError(
            f'`--num-reward` should be 1 to {len(groups) - 1}, as there are '
            f'{len(groups)} images. Found {num_reward}.'
        )
    members: dict[ImageId, list[ImageId]] = {}
    for each, group in groups.items():
        members.setdefault(group, []).append(each)
    ranked = sorted(members, key=lambda group: _digest(seed, group))
    chosen: set[ImageId] = set()
    for group in ranked:
        if len(chosen) < num_reward:
            chosen.update(members[group])
    if len(chosen) < len(groups):
        return chosen
    raise ValueError(
        '`--group-by` should make groups of which some make '
        f'{num_reward} images and others are left. Found {len(ranked)}, such '
        f'as {ranked[0]!r}.'
    )


def group_files(
    files: Mapping[ImageId, str], pattern: str | None
) -> dict[ImageId, ImageId]:
    """Return the group of each image, by what its file is called.

    Args:
        files: The file of each image.
        pattern: Regular expression that is searched in the name; what its
            first group finds, or else all of it, names the group. None for
            images that are alone.

    Raises:
        ValueError: If it is none, or finds nothing in a name.
    """
    if pattern is None:
        return {each: each for each in files}
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            '`--group-by` should be a regular expression. Found '
            f'{pattern!r}: {error}.'
        ) from None
    groups: dict[ImageId, ImageId] = {}
    for each, file in files.items():
        found = compiled.search(file)
        group = found and found[1 if compiled.groups else 0]
        if group is None:
            raise ValueError(
                '`--group-by` should match the name of every image. Found '
                f'{pattern!r}, which is not in {file!r}.'
            )
        groups[each] = group
    return groups


def read_source(path: Path, out: Path | None) -> Source:
    """Read the images of an annotation file, or of a config of a search.

    Args:
        path: Of the one or the other.
        out: Where the list is wanted; None for the usual place.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If it is neither, or a list has another place.
    """
    if path.suffix != '.py':
        usual = path.with_name(f'{path.stem}_proxy_reward.txt')
        return Source(path.name, read_images(str(path)), out or usual)
    if out is not None:
        raise ValueError(
            '`--out` should not be given with a config, which names its list '
            f'itself. Found {out}.'
        )
    config = read_config(path)
    subset = _held_out(path, config)
    scope = config.get('default_scope') or 'mmdet'
    with (
        DefaultScope.overwrite_default_scope(scope),
        contextlib.redirect_stdout(sys.stderr),  # what pycocotools prints
    ):
        try:
            dataset = DATASETS.build(dict(subset.dataset, lazy_init=True))
            images = images_of(dataset, dataset.load_data_list())
        except AssertionError as error:  # of MMSegmentation, often bare
            data = subset.dataset
            raise ValueError(
                f'The files of {data.type} should be below '
                f'{data.get("data_root") or "."}. Found others'
                f'{f": {error}" if str(error) else "."}'
            ) from None
    return Source(name_of(dataset), dict(images), Path(subset.ids_file))


def _held_out(path: Path, config: Config) -> Any:
    """Return the subset of a config that others are held out of."""
    found = {
        each.ids_file: each
        for each in _dicts(config._cfg_dict)
        if each.get('type') == 'ImageSubset' and each.get('keep') == 'others'
    }
    if len(found) != 1:
        raise ValueError(
            f'{path} should have the dataset ImageSubset with keep="others" '
            'and one list of images, as `mmada adapt --method slope` writes '
            f'it. Found {", ".join(found) or "none"}.'
        )
    return next(iter(found.values()))


def _dicts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for child in value:
            yield from _dicts(child)


def read_images(ann_file: str) -> dict[ImageId, str]:
    """Read the ids and file names of all images of a COCO annotation file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no such file, an image has no id, or an id is
            there twice.
    """
    missing = {'images', 'annotations', 'categories'}
    ids: list[ImageId] = []
    files: dict[ImageId, str] = {}
    for key, value in read_members(ann_file):
        missing.discard(key)
        if key == 'images':
            images = check_list(ann_file, key, value)
            for k, image in enumerate(images):
                ids.append(_image_id(ann_file, k, image))
                files[ids[-1]] = str(image.get('file_name', ids[-1]))
    if missing:
        raise ValueError(
            f'{ann_file} should be a COCO annotation file. Found no '
            f'{", ".join(sorted(missing))}.'
        )
    try:
        sort_ids(ids)
    except ValueError as error:
        raise ValueError(f'{ann_file}: {error}') from None
    if len(files) < len(ids):
        raise ValueError(
            f'every image of {ann_file} should have an id of its own. Found '
            f'{len(files)} ids of {len(ids)} images.'
        )
    return files


def _image_id(ann_file: str, index: int, image: Any) -> ImageId:
    found = image.get('id') if isinstance(image, Mapping) else None
    if not isinstance(found, int | str):
        raise ValueError(
            f'{ann_file}: `id` of entry {index} of images should be an '
            f'integer or text. Found {found!r}.'
        )
    return found


def _digest(seed: int, group: ImageId) -> bytes:
    return hashlib.sha256(f'{seed}:{group}'.encode()).digest()


def _write(out: Path, content: ImageIdList) -> None:
    """Write the list, unless one is there, which has to be the same."""
    if not out.exists():
        out.write_text(format_ids(content))
        return
    there = read_ids(str(out))
    # Made of a config, it names its source otherwise than of a file.
    if there[:3] != content[:3]:
        seed = there.notes.get('seed', 'unknown')
        raise ValueError(
            'The list should be a new file, or hold the same images. Found '
            f'{out}, {len(there.ids)} of {there.num_images} images with the '
            f'seed {seed}. A search may use it: name another file (`--out`, '
            'or `ids_file` in a config), or remove this one.'
        )


def run(args: argparse.Namespace) -> int:
    """Write the list."""
    with one_line_errors(args.prog, KeyError):
        source = read_source(args.source, args.out)
        every = source.files
        if len(every) < 2:
            raise ValueError(
                f'{source.name} should have two images or more, to be split. '
                f'Found {len(every)}.'
            )
        number = args.num_reward
        if number is None:
            number = max(1, min(MOST, len(every) // 10))
        groups = group_files(every, args.group_by)
        reward = choose_reward_ids(groups, number, args.seed)
        notes = dict(source=source.name, rule=RULE, seed=str(args.seed))
        if args.group_by is not None:
            notes |= {'rule': RULE_OF_GROUPS, 'group by': args.group_by}
        content = ImageIdList(
            tuple(sort_ids(reward)), len(every), digest_ids(every), notes
        )
        _write(source.out, content)
    print(f'{source.out}: {len(reward)} of {len(every)} images held out')
    if len(reward) < FEW_IMAGES:
        print(
            f'{args.prog}: {len(reward)} images, fewer than {FEW_IMAGES}, are '
            'few to reward a search by, as chance in them decides between '
            'replicas; `--num-reward` holds out more, in a new list',
            file=sys.stderr,
        )
    return 0
