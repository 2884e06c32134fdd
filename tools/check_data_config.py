"""The panoptic data sets of a config, for check_data.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from bad_input import read_config
from check_data_image import DataSet
from mmengine.registry import DATASETS, init_default_scope

from mmada.datasets.image_ids import read_ids
from mmada.diagnostics.data import Fault, check_apart
from mmada.diagnostics.data.data_set import Checked

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


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
    for place, node in _searches(config.get('train_cfg') or {}, 'train_cfg'):
        scored = f'{place}.reward_dataloader'
        found[scored] = node['reward_dataloader']
        trained = LOADERS[0]
        if node.get('dataloader'):
            trained = f'{place}.dataloader'
            found[trained] = node['dataloader']
        pairs.append((trained, scored))
    parts = {k: [*_parts(v['dataset'])] for k, v in found.items()}
    loaders = Loaders({k: v for k, v in parts.items() if v}, pairs)
    if not loaders.parts:
        raise ValueError(
            f'{path} should have a dataset with ann_file and data_prefix '
            f'img and seg, found none in {sorted(found)}'
        )
    return loaders


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


def _searches(
    node: Mapping[str, Any], place: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the loops with rewards."""
    if node.get('reward_dataloader'):
        yield place, node
    for key, value in node.items():
        if isinstance(value, Mapping) and not key.endswith('dataloader'):
            yield from _searches(value, f'{place}.{key}')


def _parts(
    dataset: Mapping[str, Any], chosen: tuple[Any, Any] = (None, None)
) -> Iterator[Part]:
    for inner in dataset.get('datasets', ()):
        yield from _parts(inner, chosen)
    if 'dataset' in dataset:
        if 'ids_file' in dataset:
            chosen = dataset['ids_file'], dataset['keep']
        yield from _parts(dataset['dataset'], chosen)
    elif (dataset.get('data_prefix') or {}).get('seg'):
        built = DATASETS.build(dict(dataset, lazy_init=True, pipeline=[]))
        prefix = built.data_prefix
        data = DataSet(
            built.ann_file, prefix['seg'], prefix['img'], built.metainfo
        )
        yield Part(data, *chosen)


def _paths(part: Part, images: Mapping[Any, str]) -> set[str]:
    kept = set(images)
    if part.ids_file is not None:
        chosen = read_ids(part.ids_file)
        chosen.check_source(images, f'{part.ids_file}: {part.data.ann_file}')
        listed = set(chosen.ids)
        kept = listed if part.keep == 'listed' else kept - listed
    return {f'{part.data.img_dir}/{images[i]}' for i in kept}
