"""mmcv's operators on a GPU against their results on the CPU."""

import copy

import pytest
import torch
from mmcv.ops import (
    DeformConv2dPack,
    ModulatedDeformConv2dPack,
    RoIAlign,
    batched_nms,
)

DEVICE = 'cuda'

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='compares a GPU with the CPU'
)


def results(layer, device, *inputs):
    """Returns output and gradients of a layer, on the CPU."""
    layer = copy.deepcopy(layer).to(device, torch.float64)
    inputs = [x.to(device, copy=True).requires_grad_() for x in inputs]
    output = layer(*inputs)
    output.square().sum().backward()
    tensors = [output, *(x.grad for x in (inputs[0], *layer.parameters()))]
    return [tensor.detach().cpu() for tensor in tensors]


def random_layer(kind):
    torch.manual_seed(0)
    layer = kind(4, 6, 3, padding=1, deform_groups=2)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # offsets start at zero
    return layer


def compare(layer, *inputs):
    on_cpu = results(layer, 'cpu', *inputs)
    assert all(x.abs().max() > 0 for x in on_cpu)
    torch.testing.assert_close(results(layer, DEVICE, *inputs), on_cpu)


@pytest.mark.parametrize('kind', [DeformConv2dPack, ModulatedDeformConv2dPack])
def test_deformable_convolution(kind):
    x = torch.randn(2, 4, 9, 11, dtype=torch.float64)
    compare(random_layer(kind), x)


def test_roi_align():
    corners = torch.rand(12, 2, dtype=torch.float64) * 20
    sizes = torch.rand(12, 2, dtype=torch.float64) * 20 + 1
    image = torch.arange(12, dtype=torch.float64)[:, None] % 2
    rois = torch.cat([image, corners, corners + sizes], dim=1)
    layer = RoIAlign(7, spatial_scale=0.5, sampling_ratio=0)
    compare(layer, torch.randn(2, 3, 16, 20, dtype=torch.float64), rois)


def test_nms():
    corners = torch.rand(200, 2) * 50
    boxes = torch.cat([corners, corners + torch.rand(200, 2) * 40], dim=1)
    scores, classes = torch.rand(200), torch.arange(200) % 3
    options = dict(type='nms', iou_threshold=0.5)
    _, expected = batched_nms(boxes, scores, classes, options)
    assert 0 < len(expected) < 200
    _, kept = batched_nms(
        boxes.to(DEVICE), scores.to(DEVICE), classes.to(DEVICE), options
    )
    assert kept.cpu().tolist() == expected.tolist()
