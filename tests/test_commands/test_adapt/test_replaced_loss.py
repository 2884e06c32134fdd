"""The loss of a segmentor is replaced where it has an effect, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmada.commands.adapt.model_losses import find_losses
from mmada.commands.argument_types import shipped_config
from mmada.commands.command_line import main
from tests.test_commands.test_adapt.tiny import adapt

pytest.importorskip('mmseg')

LOSS = dict(type='AutoSegLoss', metric='mIoU', theta='voc_miou')
FAST = 'mmseg::fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024.py'
OCR = 'mmseg::ocrnet/ocrnet_hr18s_4xb2-40k_cityscapes-512x1024.py'
STDC = 'mmseg::stdc/stdc1_4xb12-80k_cityscapes-512x1024.py'
CGNET = 'mmseg::cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680.py'


def losses_of(config: Config) -> list[str]:
    with DefaultScope.overwrite_default_scope('mmseg'):
        return list(find_losses(config, 'mmseg'))


def test_one_head_is_given_the_loss_and_auxiliary_heads_keep_theirs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = adapt(FAST, tmp_path / 'mine.py', '--method', 'asl')
    assert cfg.model.decode_head.loss_decode == LOSS
    assert 'sampler' not in cfg.model.decode_head
    assert losses_of(cfg) == [
        'decode.loss_asl',
        'aux_0.loss_ce',
        'aux_1.loss_ce',
    ]
    said = capsys.readouterr().out
    assert 'These losses stay: aux_0.loss_ce, aux_1.loss_ce.\n' in said
    assert f'MMEngine does not find {FAST} by its name' in said


def test_the_last_head_of_a_cascade_is_given_the_loss(tmp_path: Path) -> None:
    cfg = adapt(OCR, tmp_path / 'mine.py', '--method', 'asl')
    first, last = cfg.model.decode_head
    assert first.loss_decode.type == 'CrossEntropyLoss'
    assert (last.type, last.loss_decode) == ('OCRHead', LOSS)
    assert losses_of(cfg) == ['decode_0.loss_ce', 'decode_1.loss_asl']


def test_a_sampler_of_pixels_goes_and_is_mentioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = adapt(STDC, tmp_path / 'mine.py', '--method', 'asl')
    assert cfg.model.decode_head.sampler is None
    assert all(head.sampler for head in cfg.model.auxiliary_head[:2])
    assert 'OHEMPixelSampler of `decode_head` is left' in (
        capsys.readouterr().out
    )


def test_options_that_go_with_the_old_loss_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapt(CGNET, tmp_path / 'mine.py', '--method', 'asl')
    assert 'CrossEntropyLoss(use_sigmoid, loss_weight, class_weight).' in (
        capsys.readouterr().out
    )


def test_of_a_list_of_losses_all_are_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = 'unet-s5-d16_fcn_4xb4-ce-1.0-dice-3.0-40k_chase-db1-128x128.py'
    out = tmp_path / 'mine.py'
    cfg = adapt(f'mmseg::unet/{name}', out, '--method', 'asl')
    assert cfg.model.decode_head.loss_decode == LOSS
    assert 'CrossEntropyLoss(loss_name, loss_weight) and DiceLoss(' in (
        capsys.readouterr().out
    )


def with_head(path: Path, **options: Any) -> str:
    """Writes a stock config whose head has other options."""
    base = str(shipped_config(FAST))
    path.write_text(f'_base_ = {base!r}\nmodel = dict(decode_head={options})')
    return str(path)


@pytest.mark.parametrize(
    ('stock', 'said'),
    [
        (  # it takes any option of its head, and would go on as before
            'mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py',
            'Found Mask2FormerHead: the losses decode.loss_cls, '
            'decode.loss_mask, decode.loss_dice and others.',
        ),
        (
            'pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py',
            "Found PIDHead: with it, TypeError: 'AutoSegLoss' object is not",
        ),
        (
            'point_rend/pointrend_r50_4xb2-80k_cityscapes-512x1024.py',
            'Found PointHead: the losses decode_0.loss_ce, '
            'decode_1.pointloss_asl.',
        ),
    ],
)
def test_a_head_that_does_not_train_with_it_is_refused(
    stock: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'mine.py'
    with pytest.raises(SystemExit, match='2'):
        main(['adapt', f'mmseg::{stock}', '--method', 'asl', '-o', str(out)])
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_head_of_one_channel_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stock = with_head(tmp_path / 'stock.py', num_classes=2, out_channels=1)
    out = tmp_path / 'mine.py'
    with pytest.raises(SystemExit, match='2'):
        main(['adapt', stock, '--method', 'asl', '-o', str(out)])
    assert 'Found 1. Set `out_channels`' in capsys.readouterr().err
