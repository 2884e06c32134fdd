"""Can each stock config of MMDetection and MMSegmentation be weighted?

Builds every model that the installed packages have a config of, bare and
weighted. Both should have the same parameters, and a weighted one's should be
trained with the options of the stock optimizer. No weight is initialised or
loaded. The results go to OUT, a line of JSON each; a second call goes on
where the first one ended. At the end their table is printed, or written into
docs/detectors.md.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import fnmatch
import importlib
import json
import logging
import os
import re
import sys
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import checkpoint
from torch import nn

import mmada  # noqa: F401
from mmada.commands.adapt.model_losses import without_checkpoints
from mmada.models import weigh_losses

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'detectors.md'
MARKS = ('<!-- table: stock -->\n\n', '\n<!-- end: stock -->')
# Where the configs of a package are, and which of them define models.
PACKAGES = {'mmdet': '[!_]*/**/*.py', 'mmseg': '_base_/models/*.py'}
# What an error says, and how the table says it.
REASONS = {
    r'pip install "?(\w+)': 'needs {}',
    r'install (\w+) first': 'needs {}',
    r"'imports': \['(\w+)": 'needs {}',
    r"No module named '(\w+)": 'needs {}',
    r"'ImageClassifier is not in": 'needs mmpretrain',
    r'^FileNotFoundError': 'inherits from a file that is not there',
    r"missing .* argument: '(\w+)'": 'lacks the option `{}`',
    r"unexpected keyword argument '(\w+)'": 'has an unknown option `{}`',
}
BUILT, NOT_BARE, FAULT = 'built', 'not bare', 'fault'

Result = dict[str, str]


def stock_configs() -> dict[str, Path]:
    """Return the config files, by package and path in it."""
    found = {}
    for package, pattern in PACKAGES.items():
        root = _shipped(package) / 'configs'
        for path in sorted(root.glob(pattern)):
            found[f'{package}/{path.relative_to(root).as_posix()}'] = path
    return found


def family_of(name: str) -> str:
    """Return the folder of a config; all of MMSegmentation is one family."""
    package, folder, *_ = name.split('/')
    return folder if package == 'mmdet' else package


def try_config(name: str, path: Path) -> Result | None:
    """Build a config's model bare and weighted.

    Returns:
        What came of it; None for a config without a model.
    """
    found = dict(config=name, outcome=NOT_BARE, reason='')
    try:
        cfg = Config.fromfile(path)
        if 'model' not in cfg:
            return None
        scope = cfg.get('default_scope', name.split('/')[0])
        with as_a_rank(scope), uninitialised():
            model = model_config(cfg)
            bare = MODELS.build(copy.deepcopy(model))
            stock = optimizer_options(bare, cfg.get('optim_wrapper'))
            found['outcome'] = FAULT
            found['reason'] = difference(bare, stock, model, cfg)
    except Exception as error:
        found['reason'] = f'{type(error).__name__}: {error}'
    if found['outcome'] == FAULT and not found['reason']:
        found['outcome'] = BUILT
    return found


def model_config(cfg: Config) -> Any:
    """Return the model as the Runner builds it, but without checkpoints."""
    model = cfg.model
    if isinstance(model.get('teacher_config'), str):
        model.teacher_config = str(_shipped('mmdet') / model.teacher_config)
    if 'data_preprocessor' in cfg:
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    return without_checkpoints(model)


def difference(bare: nn.Module, stock: Any, model: Any, cfg: Config) -> str:
    """Return in what a weighted model differs from a bare one, '' in nothing.

    Args:
        bare: The model, weighed here.
        stock: What :func:`optimizer_options` says of it.
        model: Its config.
        cfg: The config that `optim_wrapper` is taken from.
    """
    shapes = _shapes(bare)
    built = MODELS.build(weighted_config(model))
    if not isinstance(built, type(bare)) or _shapes(built) != shapes:
        return 'Other parameters than those of the bare model.'
    weighted = weigh_losses(bare)
    if _shapes(weighted) != shapes:
        return 'Other parameters once the losses are weighed.'
    ours = optimizer_options(weighted, with_head_rule(cfg))
    wrong = sorted(n for n in {*stock, *ours} if stock.get(n) != ours.get(n))
    if wrong:
        n = wrong[0]
        return f'{len(wrong)} parameters: {n}: {stock.get(n)}, {ours.get(n)}'
    return ''


def weighted_config(model: dict[str, Any]) -> dict[str, Any]:
    """Return a model's config as docs/your_own_detector.md has it.

    Args:
        model: The stock one; those that track have a `detector` themselves.
    """
    if 'detector' in model:
        preprocessor = model.get('data_preprocessor')
        beside = dict(data_preprocessor=preprocessor)
        return dict(beside, type='LossWeightWrapper', detector=model)
    return {**model, 'type': 'LossWeightWrapper', 'detector': model['type']}


def with_head_rule(cfg: Config) -> Any:
    """Return `optim_wrapper` with the constructor that mmada needs."""
    config = cfg.get('optim_wrapper')
    if not config:
        return None
    config = copy.deepcopy(config)
    base = config.pop('constructor', None)
    if base is not None:
        config.base_constructor = dict(type=base)
    return {**config, 'constructor': 'HeadRuleOptimWrapperConstructor'}


def optimizer_options(model: nn.Module, config: Any) -> dict[str, Any]:
    """Return the options that each parameter is trained with, by its name.

    Args:
        model: The model.
        config: Its `optim_wrapper`; mixed precision, which needs a GPU, is
            left out. None gives no options.
    """
    if not config:
        return {}
    kept = ('optimizer', 'paramwise_cfg', 'constructor', 'base_constructor')
    config = {k: copy.deepcopy(v) for k, v in config.items() if k in kept}
    optimizer = build_optim_wrapper(model, config).optimizer
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(parameter)]: {
            k: v for k, v in group.items() if not k.startswith('param')
        }
        for group in optimizer.param_groups
        for parameter in group['params']
    }


@contextlib.contextmanager
def as_a_rank(scope: str) -> Iterator[None]:
    """Be the only rank of a distributed run, as SyncBN wants it."""
    utils = importlib.import_module(f'{scope}.utils')
    utils.register_all_modules(init_default_scope=False)
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group(
        'gloo', store=store, rank=0, world_size=1
    )
    try:
        with DefaultScope.overwrite_default_scope(scope):
            yield
    finally:
        torch.distributed.destroy_process_group()


@contextlib.contextmanager
def uninitialised() -> Iterator[None]:
    """Leave weights as the memory has them: nothing is drawn or loaded."""
    unloaded = ('_load_checkpoint', '_load_checkpoint_to_model')
    layers = (nn.Linear, nn.modules.conv._ConvNd, nn.Embedding)
    undone: list[tuple[Any, str]] = [
        *((layer, 'reset_parameters') for layer in layers),
        *((nn.init, n) for n in vars(nn.init) if re.match('[a-z].*_$', n)),
    ]
    with contextlib.ExitStack() as stack:
        for name in unloaded:
            stack.enter_context(
                mock.patch.object(checkpoint, name, lambda *_, **__: {})
            )
        for owner, name in undone:
            stack.enter_context(
                mock.patch.object(owner, name, lambda x, *_, **__: x)
            )
        yield


def table(results: Iterable[Result]) -> str:
    """Return the table of docs/detectors.md, in Markdown."""
    families: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        families[family_of(result['config'])].append(result)
    whole = {
        family: len(rows)
        for family, rows in sorted(families.items())
        if all(row['outcome'] == BUILT for row in rows)
    }
    lines = [
        '| family | configs | weighted | the others, not built bare either |'
    ]
    lines += ['| --- | --- | --- | --- |']
    for family, rows in sorted(families.items()):
        if family not in whole:
            built = sum(row['outcome'] == BUILT for row in rows)
            why = '; '.join(_reasons(rows))
            lines.append(f'| {family} | {len(rows)} | {built} | {why} |')
    listed = ', '.join(f'{f} ({number})' for f, number in whole.items())
    text = f'All {sum(whole.values())} configs of: {listed}.'
    wrapped = textwrap.fill(text, 80, break_on_hyphens=False)
    return '\n'.join([wrapped, '', *lines, ''])


def write_table(results: Iterable[Result], page: Path) -> None:
    """Write the table anew between its marks in a page."""
    before, rest = page.read_text().split(MARKS[0])
    _, after = rest.split(MARKS[1])
    page.write_text(before + MARKS[0] + table(results) + MARKS[1] + after)


def in_words(reason: str) -> str:
    """Return why a model is not built, as the table says it."""
    for pattern, words in REASONS.items():
        if match := re.search(pattern, reason):
            return words.format(*match.groups())
    return f'`{" ".join(reason.splitlines()[0].split())}`'


def _reasons(rows: list[Result]) -> Iterator[str]:
    refused = [row['reason'] for row in rows if row['outcome'] != BUILT]
    for reason, number in Counter(map(in_words, refused)).most_common():
        yield f'{number}: {reason}'


def _shipped(package: str) -> Path:
    module = importlib.import_module(package)
    return Path(str(module.__file__)).parent / '.mim'


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: v.shape for name, v in model.state_dict().items()}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument(
        '--only',
        default='*',
        metavar='PATTERN',
        help="of the configs' names, such as 'mmdet/detr/*'",
    )
    parser.add_argument(
        '--write', action='store_true', help='the table into the page'
    )
    return parser.parse_args()


def main() -> None:
    """Try what is left and show the table of all."""
    args = parse_args()
    os.environ['HF_HUB_OFFLINE'] = '1'
    logging.disable(logging.WARNING)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.touch()
    results = [json.loads(line) for line in args.out.open()]
    done = {result['config'] for result in results}
    with args.out.open('a') as out:
        for name, path in stock_configs().items():
            if name in done or not fnmatch.fnmatch(name, args.only):
                continue
            with contextlib.redirect_stdout(sys.stderr):
                result = try_config(name, path)
            if result is not None:
                results.append(result)
                print(json.dumps(result), file=out, flush=True)
    print(table(results))
    if args.write:
        write_table(results, PAGE)
    faults = [r for r in results if r['outcome'] == FAULT]
    for fault in faults:
        print(f'{fault["config"]}: {fault["reason"]}', file=sys.stderr)
    raise SystemExit(bool(faults))


if __name__ == '__main__':
    main()
