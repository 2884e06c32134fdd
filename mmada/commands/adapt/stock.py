"""What is found in a stock config."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import HOOKS
from mmengine.utils import is_installed

from mmada.commands.argument_types import shipped_config
from mmada.commands.common import read_config
from mmada.engine.hooks.weighting_hook import WeightingHook
from mmada.engine.replicas.replica_hooks import in_replicas

PARTS = ('train', 'val', 'test')
NEEDED = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


class Stock(NamedTuple):
    """A stock config.

    Attributes:
        base: How another config names it, its `_base_`.
        config: Its content.
        scope: Its default scope, such as 'mmdet', 'mmseg' or 'mmpose'.
    """

    base: str
    config: Config
    scope: str

    @property
    def optimizer(self) -> str:
        """The name of its optimizer."""
        return type_of(self.config.optim_wrapper.optimizer)


class Leaf(NamedTuple):
    """The data set inside of what wraps it, the first of joined ones.

    Attributes:
        place: How a config names it, such as `train_dataloader.dataset`.
        config: Its config.
        wrapper: What is around it, None for nothing.
    """

    place: str
    config: Any
    wrapper: Leaf | None = None

    @property
    def joined(self) -> Leaf | None:
        """The wrapper around it that joins several, the innermost."""
        outer = self.wrapper
        if outer is None or 'datasets' in outer.config:
            return outer
        return outer.joined


def read_stock(name: str, folder: Path) -> Stock:
    """Read a stock config.

    Args:
        name: A path, or the name of one that a package has with it, such as
            'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'.
        folder: Of the config that inherits from it.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no config of a training that mmada can weigh.
    """
    path = shipped_config(name) if '::' in name else Path(name)
    config = read_config(path)
    if '::' in name:
        package = name.partition('::')[0]
        # MMEngine looks for the distribution, whose name a fork may change.
        known = is_installed(MODULE2PACKAGE.get(package, package))
        base = name if known and not _collates(config) else str(path)
    else:
        base = name if path.is_absolute() else os.path.relpath(path, folder)
        # `..` of a link to a folder is above what the link points to.
        if (folder / base).resolve() != path.resolve():
            base = str(path.absolute())
    _check_is_base(name, path)
    _check(name, config)
    return Stock(base, config, config.get('default_scope') or 'mmdet')


def _collates(config: Config) -> bool:
    """Return whether a dataloader names what makes its batches.

    MMEngine hands such a function the scope of a base config that is named
    by its package, as if it were an option.
    """
    loaders = (config.get(f'{part}_dataloader') for part in PARTS)
    return any('collate_fn' in (loader or {}) for loader in loaders)


def _check_is_base(name: str, path: Path) -> None:
    try:
        Config.fromstring(f'_base_ = {str(path.absolute())!r}', '.py')
    except RuntimeError as error:
        raise ValueError(
            '`config` should be one that another config can name as '
            f'`_base_`. Found {name}, which imports modules or has '
            '`read_base`. Write a plain one first: '
            f"Config.fromfile({str(path)!r}).dump('plain.py')"
        ) from error


def _check(name: str, config: Config) -> None:
    missing = [key for key in NEEDED if not config.get(key)]
    if missing:
        raise ValueError(
            f'`config` should be that of a training. Found no '
            f'{", ".join(missing)} in {name}.'
        )
    if 'optimizer' not in config.optim_wrapper:
        raise ValueError(
            '`optim_wrapper` should hold one optimizer, whose heads can be '
            f'shielded. Found {", ".join(config.optim_wrapper)}.'
        )
    for hook in config.get('custom_hooks') or []:
        kind = HOOKS.get(hook['type'])
        if isinstance(kind, type) and issubclass(kind, WeightingHook):
            raise ValueError(
                '`custom_hooks` should not weigh the losses yet. Found '
                f'{hook["type"]}.'
            )


def undeclared_hooks(stock: Stock) -> list[str]:
    """Return the hooks that a search refuses, as nothing says what they do."""
    default = (stock.config.get('default_hooks') or {}).values()
    hooks = [*filter(None, default), *(stock.config.get('custom_hooks') or [])]
    kinds = [
        HOOKS.get(hook['type']) if isinstance(hook['type'], str) else hook.type
        for hook in hooks
    ]
    return [
        kind.__name__
        for kind in kinds
        # Only the class is asked, so its arguments are not needed.
        if kind is not None and in_replicas(kind.__new__(kind)) is None
    ]


def leaf_of(config: Config, loader: str) -> Leaf:
    """Return the data set of a dataloader, inside of its wrappers."""
    found = (config.get(loader) or {}).get('dataset') or {}
    leaf = Leaf(f'{loader}.dataset', found)
    while True:
        if leaf.config.get('datasets'):
            name, inner = 'datasets[0]', leaf.config['datasets'][0]
        elif 'dataset' in leaf.config:
            name, inner = 'dataset', leaf.config['dataset']
        else:
            return leaf
        leaf = Leaf(f'{leaf.place}.{name}', inner, leaf)


def type_of(config: Any) -> str:
    """Return the type of a config without its module or scope.

    A dumped lazy config has them, as `mmengine.hooks.CheckpointHook`.
    """
    return str(config.get('type')).rpartition('.')[2]


def evaluators(config: Config, name: str) -> Iterator[tuple[str, Any]]:
    """Yield how a config names each metric of an evaluator, and the metric."""
    found = config.get(name)
    if isinstance(found, list | tuple):
        yield from ((f'{name}[{i}]', each) for i, each in enumerate(found))
    elif found:
        yield name, found
