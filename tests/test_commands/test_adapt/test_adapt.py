"""What the command writes for each method, and what it refuses."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.hub import get_config
from mmengine.registry import HOOKS

from mmada.commands import arguments
from mmada.commands.adapt.methods import METHODS
from mmada.commands.adapt.source import render
from mmada.commands.adapt.weighted_config import head_rule
from mmada.commands.command_line import main
from mmada.controllers import ConstantPolicy, PolicyEnsemble
from mmada.engine import save_policy
from tests.test_commands.test_adapt.tiny import adapt
from tests.test_docs.pages import DOCS
from tests.test_docs.test_your_own_detector import snippet

ODINW = 'mmdet::glip/odinw/glip_atss_swin-t_bc_fpn_dyhead_pretrain_odinw13.py'
OPENIMAGES = 'mmdet::openimages/retinanet_r50_fpn_32xb2-1x_openimages.py'
RETINANET = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
FASTER_RCNN = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
MASK_RCNN = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'
WEIGHTINGS = [
    name
    for name, method in METHODS.items()
    if method.hook and 'weighting' in method.hook
]


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Returns what the command says where it writes nothing."""
    with pytest.raises(SystemExit, match='2'):
        main(['adapt', *map(str, arguments)])
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_the_methods_are_those_of_the_command_line_and_the_page() -> None:
    assert tuple(METHODS) == arguments.METHODS
    searches = (name for name, each in METHODS.items() if each.controller)
    assert tuple(searches) == arguments.SEARCHES
    _, page = (DOCS / 'commands.md').read_text().split('| `--method`')
    listed = re.findall(r'^\| (`.*?`) +\|', page, re.M)
    assert sorted(re.findall(r'`(.+?)`', ' '.join(listed))) == sorted(METHODS)


@pytest.mark.parametrize(
    'name',
    [
        pytest.param(name, marks=() if i < 2 else pytest.mark.slow)
        for i, name in enumerate(WEIGHTINGS)
    ],
)
def test_a_weighting_is_the_hook_of_its_kind(
    name: str, tmp_path: Path
) -> None:
    cfg = adapt(RETINANET, tmp_path / 'a/mine.py', '--method', name)
    hook = dict(METHODS[name].hook or {}, objectives='auto')
    assert cfg.custom_hooks[-1] == eval(render(hook))
    mode = 'grad' if METHODS[name].every_iteration else 'corrected_lr'
    assert cfg.optim_wrapper.head_rule == dict(mode=mode)
    assert cfg.optim_wrapper.optimizer.type == 'SGD'


def test_the_printed_lines_for_adamw_have_its_head_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = adapt(RETINANET, tmp_path / 'mine.py')
    found = re.search(r'`optim_wrapper`: `(.+)`', capsys.readouterr().out)
    assert found
    cfg.merge_from_dict(dict(optim_wrapper=eval(f'dict({found[1]})')))
    optimizer = cfg.optim_wrapper.optimizer.type
    assert optimizer == 'AdamW'
    assert cfg.optim_wrapper.head_rule.mode == head_rule(optimizer, False)[0]


def test_the_guide_does_the_same_by_hand(tmp_path: Path) -> None:
    """But for the optimizer, of the stock config here, and its head rule."""
    path = tmp_path / 'by_hand.py'
    path.write_text(snippet('test_the_short_config_trains'))
    guide = Config.fromfile(path)
    cfg = adapt(MASK_RCNN, tmp_path / 'mine.py')
    assert cfg.custom_hooks == guide.custom_hooks
    found = guide.optim_wrapper
    assert cfg.optim_wrapper.constructor == found.constructor
    assert found.head_rule.mode == head_rule(found.optimizer.type, False)[0]
    assert cfg.model == guide.model


@pytest.mark.parametrize(
    ('optimizer', 'every_iteration', 'mode'),
    [
        ('SGD', False, 'corrected_lr'),
        ('SGD', True, 'grad'),
        ('AdamW', False, 'grad'),
        ('Adam', True, 'grad'),
    ],
)
def test_the_head_rule_follows_optimizer_and_method(
    optimizer: str, every_iteration: bool, mode: str
) -> None:
    assert head_rule(optimizer, every_iteration)[0] == mode


@HOOKS.register_module()
class HookOfNoKind(Hook):
    """Acts in a training, and does not say whether on replicas."""

    def __init__(self, needed: int) -> None:
        self.needed = needed

    def after_train_iter(
        self, runner: Any, *args: Any, **options: Any
    ) -> None:
        """Do it."""


@pytest.mark.parametrize('method', ['slope', 'inverse-loss'])
def test_a_hook_that_a_search_refuses_is_left_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    base = tmp_path / 'stock.py'
    base.write_text(
        f'_base_ = {RETINANET!r}\n'
        "custom_hooks = [dict(type='EMAHook'), "
        "dict(type='HookOfNoKind', needed=1)]\n"
    )
    adapt(str(base), tmp_path / 'mine.py', '--method', method)
    _, left_open = capsys.readouterr().out.split('Left open:')
    asked = 'what HookOfNoKind does in the replicas' in left_open
    assert asked == (method == 'slope')
    assert 'EMAHook' not in left_open


def test_what_a_list_would_replace_is_kept(tmp_path: Path) -> None:
    """Hooks, imports and a constructor of a stock config by path."""
    base = tmp_path / 'stock.py'
    base.write_text(
        f'_base_ = {RETINANET!r}\n'
        "custom_imports = dict(imports=['tests.support.toy'])\n"
        "custom_hooks = [dict(type='EMAHook', momentum=0.1)]\n"
        "optim_wrapper = dict(constructor='mmdet."
        "LearningRateDecayOptimizerConstructor')\n"
    )
    cfg = adapt(str(base), tmp_path / 'configs/mine.py')
    assert cfg.custom_imports.imports == ['tests.support.toy', 'mmada']
    first, second = cfg.custom_hooks
    assert first == dict(type='EMAHook', momentum=0.1)
    assert second.type == 'LossWeightingHook'
    assert cfg.optim_wrapper.base_constructor == dict(
        type='mmdet.LearningRateDecayOptimizerConstructor'
    )


def test_a_path_is_written_as_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path('stock.py').write_text(f'_base_ = {RETINANET!r}\n')
    adapt('stock.py', Path('configs/mine.py'))
    assert "_base_ = '../stock.py'\n" in Path('configs/mine.py').read_text()
    adapt(str(tmp_path / 'stock.py'), Path('other.py'))
    assert f"_base_ = '{tmp_path}/stock.py'\n" in Path('other.py').read_text()


def test_the_base_is_found_from_a_folder_that_is_a_link(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whose parent is not that of the link; the command can be pasted."""
    stock = tmp_path / 'stock/one.py'
    (tmp_path / 'real/deep').mkdir(parents=True)
    stock.parent.mkdir()
    stock.write_text(f'_base_ = {RETINANET!r}\ntrain_cfg = dict(max_epochs=5)')
    (tmp_path / 'my link').symlink_to(tmp_path / 'real/deep')
    out = tmp_path / 'my link/out.py'
    assert adapt(os.path.relpath(stock), out).train_cfg.max_epochs == 5
    assert f"Train it with: mmada train '{out}'" in capsys.readouterr().out


LAZY = """
from mmengine.config import read_base
from mmengine.hooks import CheckpointHook, EMAHook
from torch.optim import SGD

with read_base():
    from .settings import *
model.update(type='RetinaNet')
optim_wrapper = dict(optimizer=dict(type=SGD, lr=0.01, momentum=0.9))
custom_hooks = [dict(type=EMAHook)]
default_hooks = dict(checkpoint=dict(type=CheckpointHook))
"""


def test_a_lazy_config_is_refused_and_its_dump_is_adapted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lazy, plain = tmp_path / 'lazy.py', tmp_path / 'plain.py'
    names = ['model', 'train_dataloader', 'train_cfg', 'default_scope']
    names += ['val_dataloader', 'val_evaluator']
    stock = get_config(RETINANET)
    Config({name: stock[name] for name in names}).dump(
        tmp_path / 'settings.py'
    )
    lazy.write_text(LAZY)
    out = tmp_path / 'out.py'
    said = refusal(capsys, lazy, '-o', out)
    assert f'Found {lazy}, which imports modules or has `read_base`' in said
    assert not out.exists()
    Config.fromfile(lazy).dump(plain)
    cfg = adapt(str(plain), out)
    assert cfg.optim_wrapper.optimizer.type == 'torch.optim.SGD'
    assert cfg.optim_wrapper.head_rule == dict(mode='corrected_lr')
    cfg = adapt(str(plain), tmp_path / 'search.py', '--method', 'slope')
    assert cfg.default_hooks.checkpoint.type == 'DurableCheckpointHook'


def policy(path: Path, names: tuple[str, ...], **provenance: str) -> Path:
    """Writes a policy file for objectives of some names."""
    ones = torch.ones(len(names)).double()
    constant = ConstantPolicy.of(ones).requires_grad_(False)
    ensemble = PolicyEnsemble(
        (constant,),
        ones,
        ones.clone(),
        objectives=names,
        provenance=provenance,
    )
    save_policy(path, ensemble)
    return path


@pytest.mark.parametrize(
    ('names', 'objectives'),
    [
        (
            ('cls', 'bbox', 'mask'),
            dict(cls='loss_cls', bbox='loss_bbox', mask='loss_mask'),
        ),
        (
            (
                *('loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox'),
                'loss_mask',
            ),
            'auto',
        ),
    ],
)
def test_a_policy_brings_its_objectives(
    names: tuple[str, ...], objectives: object, tmp_path: Path
) -> None:
    path = policy(tmp_path / 'p.safetensors', names)
    options = ('--method', 'policy', '--policy', path)
    cfg = adapt(MASK_RCNN, tmp_path / 'mine.py', *options)
    assert cfg.custom_hooks[-1] == dict(
        type='PolicyWeightingHook',
        mode='pred',
        policy=str(path),
        initial_losses='probe',
        objectives=objectives,
    )


def test_a_policy_that_would_not_be_used_is_left_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ('cls', 'bbox')
    reason = 'all replicas scored 0'
    said = []
    for name, provenance in (('a', {}), ('b', dict(nothing_learned=reason))):
        path = policy(tmp_path / f'{name}.safetensors', names, **provenance)
        options = ('--method', 'policy', '--policy', path)
        adapt(FASTER_RCNN, tmp_path / f'{name}.py', *options)
        said.append(capsys.readouterr().out)
    line = (
        '  - whether to train with this policy, whose search learned nothing: '
        'all replicas scored 0. The training has all weights 1, unless the '
        "hook has `fallback='policy'`"
    )
    found = [line in text.splitlines() for text in said]
    assert found == [False, True]


def test_a_policy_of_other_objectives_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = policy(tmp_path / 'p.safetensors', ('cls', 'seg'))
    out = tmp_path / 'mine.py'
    options = ('--method', 'policy', '--policy', path, '-o', out)
    said = refusal(capsys, MASK_RCNN, *options)
    assert '`--policy` should be of the objectives cls, bbox, mask or' in said
    assert 'Found cls, seg. If you named them by patterns of your' in said
    assert not out.exists()


def test_a_refused_policy_lists_each_choice_of_objectives_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = policy(tmp_path / 'p.safetensors', ('cls', 'bbox'))
    options = ('--method', 'policy', '--policy', path)
    said = refusal(capsys, RETINANET, *options, '-o', tmp_path / 'mine.py')
    assert 'of the objectives loss_cls, loss_bbox, which are found' in said


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            ('retinanet/retinanet_r50_fpn_1x.py',),
            'argument STOCK_CONFIG: should be a config file, or one that a '
            'package has with it, such as mmdet::retinanet/'
            'retinanet_r50_fpn_1x_coco.py. Found nothing at',
        ),
        (('mmdet::none.py',), 'none.py'),
        (('mmnone::a.py',), 'should be a config of an installed package'),
        (
            (
                'mmdet::deepsort/deepsort_faster-rcnn_r50_fpn_8xb2-4e_'
                'mot17halftrain_test-mot17halfval.py',
            ),
            '`config` should be that of a training. Found no',
        ),
        (
            (RETINANET, '--method', 'uncertanty'),
            'Found uncertanty. Did you mean uncertainty?',
        ),
        ((RETINANET, '--gpus', 0), '--gpus: should be at least 1. Found 0.'),
        (
            (RETINANET, '--method', 'slope', '--reward', 'coco/segm_mAP'),
            'such as coco/bbox_mAP or coco/bbox_mAP_50 or coco/bbox_mAP_75 or '
            'coco/bbox_mAP_s or coco/bbox_mAP_m or coco/bbox_mAP_l. Found '
            'coco/segm_mAP.',
        ),
        (
            (RETINANET, '--method', 'slope', '--reward', 'coco/bbox_map'),
            'Found coco/bbox_map.',
        ),
        (
            ('mmdet::retinanet/retinanet_r50_1x_coco.py',),
            'such as mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
        ),
        (
            (OPENIMAGES, '--method', 'slope'),
            '`--reward` should name the value of `val_evaluator` that the '
            'search maximises, as the validation logs it, such as '
            'accuracy/top1. Found none, and OpenImagesMetric.',
        ),
        (
            (ODINW, '--method', 'slope', '--reward', 'coco/bbox_mAP'),
            "of MMEngine's BaseDataset, so that images can be held out for "
            'the reward of a search. Found CocoDataset in ConcatDataset. A '
            'method without a search, such as',
        ),
        (
            (RETINANET, '--method', 'asl'),
            'should be a head of MMSegmentation, whose loss is replaced. '
            'Found none in RetinaNet.',
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    arguments: tuple[object, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / 'mine.py'
    assert message in refusal(capsys, *arguments, '-o', out)
    assert not out.exists()


def test_a_file_that_is_there_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'mine.py'
    out.write_text('x = 1\n')
    assert f'--out: should be a new file. Found {out}, which' in refusal(
        capsys, RETINANET, '-o', out
    )
    assert out.read_text() == 'x = 1\n'


def test_a_config_that_cannot_be_read_is_not_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stock, out = tmp_path / 'stock.py', tmp_path / 'mine.py'
    stock.write_text(
        f"""_base_ = '{RETINANET}'
try:
    open('{out}').close()
except OSError:
    pass
else:
    raise ValueError('mine.py is there')
"""
    )
    said = refusal(capsys, stock, '-o', out)
    assert said.endswith(
        'should be a config. Found ValueError: mine.py is there'
    )
    assert list(tmp_path.iterdir()) == [stock]


def test_a_config_that_weighs_its_losses_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapt(RETINANET, tmp_path / 'once.py')
    said = refusal(capsys, tmp_path / 'once.py', '-o', tmp_path / 'twice.py')
    assert 'should not weigh the losses yet. Found LossWeightingHook.' in said


def test_a_single_loss_has_nothing_to_be_weighed_against(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('mmseg')
    name = 'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py'
    said = refusal(capsys, name, '-o', tmp_path / 'mine.py')
    assert said.endswith('Found decode.loss_ce alone.')
