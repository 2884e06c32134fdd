"""Checks panoptic data sets, or all of a config, before a long run."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmdet.registry import DATASETS as MMDET_DATASETS
from mmengine.registry import DATASETS, init_default_scope

from mmada.commands.common import one_line_errors, read_config
from mmada.datasets.image_subset import read_ids
from mmada.datasets.parallel import DEFAULT_WORKERS
from mmada.diagnostics.data import (
    KINDS,
    Checked,
    DataSet,
    Fault,
    Tally,
    check_apart,
    check_data_set,
)
from mmada.engine.loops import search_configs

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
SEVERITIES = ('error', 'warning')


def run(args: argparse.Namespace) -> int:
    """Check and print; return the exit code."""
    with (
        one_line_errors(args.prog),
        contextlib.redirect_stdout(sys.stderr),
    ):
        found, parts = check(args)
    return show(found, parts, args.json)


def check(args: argparse.Namespace) -> tuple[list[Checked], Tally]:
    """Check what the command line names.

    Returns:
        What was found in each data set, and in the splits of a config.

    Raises:
        OSError: If something cannot be read.
        ValueError: If something is not what it should be.
    """
    parts = Tally()
    workers = DEFAULT_WORKERS if args.workers is None else args.workers
    if len(args.paths) == 3:
        metainfo = _metainfo(args.dataset) if args.dataset else None
        ann_file, seg_dir, img_dir = args.paths
        data = DataSet(ann_file, seg_dir, img_dir, metainfo)
        return [check_data_set(data, args.sample, workers)], parts
    if Path(args.paths[0]).is_dir():
        raise ValueError(
            '`paths` should be a config, or ANN_FILE SEG_DIR IMG_DIR. Found '
            f'the directory {args.paths[0]}.'
        )
    loaders = read_loaders(args.paths[0])
    found = [
        check_data_set(data, args.sample, workers)
        for data in loaders.data_sets()
    ]
    parts.add(check_parts(loaders, found))
    return found, parts


def _metainfo(name: str) -> dict[str, Any]:
    cls = MMDET_DATASETS.get(name)
    metainfo: dict[str, Any] | None = getattr(cls, 'METAINFO', None)
    if metainfo is None:
        raise ValueError(
            f'--dataset should be a dataset with classes. Found {name!r}.'
        )
    return metainfo


def show(found: list[Checked], parts: Tally, as_json: bool) -> int:
    """Print what was found; return the exit code."""
    total = total_of([parts, *(each.tally for each in found)])
    if as_json:
        content = [
            dict(
                ann_file=each.data.ann_file,
                images=len(each.images),
                opened=each.opened,
                faults=json_of(each.tally),
            )
            for each in found
        ]
        report = dict(total, data_sets=content, splits=json_of(parts))
        print(json.dumps(report, indent=2))
    else:
        for each in found:
            print('\n'.join([heading(each), *text_of(each.tally), '']))
        if parts.counts:
            print('\n'.join(['splits', *text_of(parts), '']))
        print(f'{total["errors"]} errors, {total["warnings"]} warnings')
    return int(total['errors'] > 0)


def text_of(tally: Tally) -> list[str]:
    """Return a line for each kind of fault, errors first."""
    lines = []
    for severity in SEVERITIES:
        for name in tally.of(severity):
            kind, count = KINDS[name], tally.counts[name]
            examples = tally.examples[name]
            more = ', ...' if count > len(examples) else ''
            lines.append(
                f'{severity}: {count} {kind.title} '
                f'({"; ".join(examples)}{more}). {kind.effect}'
            )
    return lines or ['no faults']


def heading(checked: Checked) -> str:
    """Return what was looked at."""
    return (
        f'{checked.data.ann_file}: {len(checked.images)} images, '
        f'{checked.opened} of them opened'
    )


def json_of(tally: Tally) -> list[dict[str, Any]]:
    """Return the faults as JSON, errors first."""
    return [
        dict(
            KINDS[name]._asdict(),
            kind=name,
            count=tally.counts[name],
            examples=tally.examples[name],
        )
        for severity in SEVERITIES
        for name in tally.of(severity)
    ]


def total_of(tallies: list[Tally]) -> dict[str, int]:
    """Return the number of errors and of warnings."""
    return {
        f'{severity}s': sum(
            tally.counts[name]
            for tally in tallies
            for name in tally.of(severity)
        )
        for severity in SEVERITIES
    }


class Part(NamedTuple):
    """A data set of a config, or the part of it that a list names."""

    data: DataSet
    ids_file: str | None
    keep: str | None


class Loaders(NamedTuple):
    """The dataloaders of a config.

    Attributes:
        parts: What each of them reads, by its place in the config.
        pairs: Which of them train, and which score what was trained.
    """

    parts: dict[str, list[Part]]
    pairs: list[tuple[str, str]]

    def data_sets(self) -> list[DataSet]:
        """Return each data set once."""
        found = {
            part.data[:3]: part.data
            for parts in self.parts.values()
            for part in parts
        }
        return list(found.values())


def read_loaders(path: str) -> Loaders:
    """Return the dataloaders of a config that read panoptic data sets.

    Raises:
        OSError: If the config cannot be read.
        ValueError: If it is none, or has no panoptic data set.
    """
    config = read_config(path)
    init_default_scope(config.get('default_scope') or 'mmdet')
    found = {name: config[name] for name in LOADERS if config.get(name)}
    pairs = [(LOADERS[0], scored) for scored in LOADERS[1:]]
    for place, search in _searches(config.get('train_cfg') or {}):
        scored = f'{place}.reward_dataloader'
        found[scored] = search['reward_dataloader']
        trained = LOADERS[0]
        if search.get('dataloader'):
            trained = f'{place}.dataloader'
            found[trained] = search['dataloader']
        pairs.append((trained, scored))
    parts = {k: [*_parts(v.get('dataset') or {})] for k, v in found.items()}
    loaders = Loaders({k: v for k, v in parts.items() if v}, pairs)
    if not loaders.parts:
        raise ValueError(
            f'{path} should have panoptic data, a dataset with ann_file and '
            'data_prefix img and seg; others are not checked. Found none in '
            f'{", ".join(sorted(found)) or "it, and no dataloader"}.'
        )
    return loaders


def _searches(
    train_cfg: Mapping[str, Any],
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each search with rewards, after its place in the config."""
    place = 'train_cfg'
    if 'exploration' in train_cfg:
        place += '.exploration'
    searches = search_configs(train_cfg)
    for index, search in enumerate(searches):
        if search.get('reward_dataloader'):
            number = f'[{index}]' if len(searches) > 1 else ''
            yield place + number, search


def _parts(
    dataset: Mapping[str, Any], chosen: tuple[Any, Any] = (None, None)
) -> Iterator[Part]:
    for inner in dataset.get('datasets', ()):
        yield from _parts(inner, chosen)
    if 'dataset' in dataset:
        if 'ids_file' in dataset:
            chosen = dataset['ids_file'], dataset.get('keep')
        yield from _parts(dataset['dataset'], chosen)
    elif (dataset.get('data_prefix') or {}).get('seg'):
        built = _build(dataset)
        prefix = built.data_prefix
        data = DataSet(
            built.ann_file, prefix['seg'], prefix['img'], built.metainfo
        )
        yield Part(data, *chosen)


def _build(dataset: Mapping[str, Any]) -> Any:
    try:
        return DATASETS.build(dict(dataset, lazy_init=True, pipeline=[]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'`dataset` {dataset.get("ann_file")} should be one that can be '
            f'built. Found {type(error).__name__}: {error}'
        ) from error


def check_parts(loaders: Loaders, checked: Iterable[Checked]) -> list[Fault]:
    """Check the parts that a config makes of its data sets.

    Args:
        loaders: The dataloaders.
        checked: What was found in all of their data sets.
    """
    images = {each.data[:3]: each.images for each in checked}
    paths: dict[str, set[str]] = {}
    faults: dict[Fault, None] = {}
    for name, parts in loaders.parts.items():
        paths[name] = set()
        for part in parts:
            try:
                paths[name] |= _paths(part, images[part.data[:3]])
            except (OSError, ValueError) as error:
                faults[Fault('bad_split', ' '.join(str(error).split()))] = None
    for pair in loaders.pairs:
        trained, scored = (paths.get(name, set()) for name in pair)
        apart = check_apart(trained, scored, pair)
        faults.update(dict.fromkeys(apart))
    return list(faults)


def _paths(part: Part, images: Mapping[Any, str]) -> set[str]:
    kept = set(images)
    if part.ids_file is not None:
        chosen = read_ids(part.ids_file)
        chosen.check_source(images, f'{part.ids_file}: {part.data.ann_file}')
        listed = set(chosen.ids)
        kept = listed if part.keep == 'listed' else kept - listed
    return {f'{part.data.img_dir}/{images[i]}' for i in kept}
