"""Which losses a model has, from a look at it with two images.

They are made up for detectors and segmentors. What the models of other
libraries are shown is the first images of the config's own training data.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import BaseModel, revert_sync_batchnorm
from mmengine.registry import MODELS
from mmengine.runner import Runner
from mmengine.structures import InstanceData, PixelData

from mmada.engine.quiet import quiet
from mmada.models import is_loss
from mmada.utils.seeding import preserve_rng

CHECKPOINTS = ('init_cfg', 'pretrained', 'teacher_ckpt')
KEPT = 150
"""Characters of a long error that are kept at either end."""
PREPROCESSORS = dict(mmdet='DetDataPreprocessor', mmseg='SegDataPreProcessor')


class Look(NamedTuple):
    """How large the images are, and the maps beside them.

    Attributes:
        size: Of both sides, in pixels.
        stride: Pixels of the image for one of the semantic map.
        masks: Whether the objects have masks.
    """

    size: int
    stride: int = 1
    masks: bool = True


# Some heads want larger images than others, HTC a smaller map, and RTMDet
# masks only where it segments.
LOOKS = (Look(128), Look(320), Look(512), Look(256, 8), Look(320, masks=False))


def find_losses(config: Config, scope: str) -> dict[str, float]:
    """Return the names of the losses that a model trains with, and values.

    No checkpoint is loaded and nothing is trained: the weights are random.

    Args:
        config: Of a training.
        scope: Its default scope. The images are made up for 'mmdet' and
            'mmseg', and those of the training data for another one.

    Raises:
        ValueError: If the model cannot be built, or not be shown such
            images.
    """
    problem: Exception | None = None
    with _quietly(), preserve_rng():
        try:
            model = _build(config, scope)
            if scope not in PREPROCESSORS:
                return _losses(model, _first_batch(config))
        except Exception as error:  # whatever it lacks here
            raise ValueError(_in_a_line(error)) from error
        for look in LOOKS:
            try:
                return _losses(model, _batch(scope, look))
            except Exception as error:  # of images that do not suit it
                problem = problem or error
    assert problem is not None
    raise ValueError(_in_a_line(problem)) from problem


def _build(config: Config, scope: str) -> BaseModel:
    model = without_checkpoints(copy.deepcopy(config.model))
    if scope in PREPROCESSORS:
        # Without the sizes that the images of a training are padded to.
        model['data_preprocessor'] = dict(type=PREPROCESSORS[scope])
    elif config.get('data_preprocessor'):  # as the Runner does
        model.setdefault('data_preprocessor', config.data_preprocessor)
    if scope == 'mmdet':
        model['data_preprocessor'].update(pad_mask=True, pad_seg=True)
    elif scope == 'mmseg':
        model['data_preprocessor'].update(size=(128, 128))
    built = revert_sync_batchnorm(MODELS.build(model))
    built.init_weights()  # queries and boxes that are learned
    # What some heads read of the training's progress.
    hub = MessageHub.get_instance('mmada_adapt')
    hub.update_info_dict(dict(epoch=0, iter=0))
    return built.train()


def _first_batch(config: Config) -> Any:
    """Return two images of the training data, as the training has them."""
    loader = copy.deepcopy(config.train_dataloader)
    loader.update(num_workers=0, persistent_workers=False)
    if 'batch_size' in loader:
        loader['batch_size'] = min(2, loader['batch_size'])
    return next(iter(Runner.build_dataloader(loader, seed=0)))


def without_checkpoints(config: Any) -> Any:
    """Return a model's config that loads nothing when it is built."""
    if isinstance(config, dict):
        return type(config)(
            (key, without_checkpoints(value))
            for key, value in config.items()
            if key not in CHECKPOINTS
        )
    if isinstance(config, list | tuple):
        return type(config)(map(without_checkpoints, config))
    return config


@torch.no_grad()
def _losses(model: BaseModel, batch: dict[str, Any]) -> dict[str, float]:
    preprocessor: Any = model.data_preprocessor
    data = preprocessor(batch, True)
    _, values = model.parse_losses(model(**data, mode='loss'))
    return {k: float(value) for k, value in values.items() if is_loss(k)}


def _batch(scope: str, look: Look) -> dict[str, Any]:
    shape = (look.size, look.size)
    images = [
        torch.randint(256, (3, *shape), dtype=torch.uint8) for _ in range(2)
    ]
    sample = _sample if scope == 'mmdet' else _segmentation_sample
    return dict(
        inputs=images, data_samples=[sample(i, shape, look) for i in range(2)]
    )


def _metainfo(index: int, shape: tuple[int, int]) -> dict[str, Any]:
    return dict(
        img_id=index,
        img_shape=shape,
        ori_shape=shape,
        pad_shape=shape,
        scale_factor=(1.0, 1.0),
        flip=False,
        flip_direction=None,
        border=(0, shape[0], 0, shape[1]),  # CornerNet's crops have it
    )


def _sample(index: int, shape: tuple[int, int], look: Look) -> DetDataSample:
    """Return three objects of the first class, with all that one may have."""
    size = look.size
    boxes = torch.tensor(
        [[0.1, 0.1, 0.6, 0.7], [0.3, 0.2, 0.5, 0.5], [0.05, 0.4, 0.95, 0.9]]
    )
    masks = np.zeros((3, *shape), dtype=np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes * size, strict=True):
        mask[int(y1) : int(y2), int(x1) : int(x2)] = 1
    sample = DetDataSample(metainfo=_metainfo(index, shape))
    sample.gt_instances = InstanceData(
        bboxes=HorizontalBoxes(boxes * size),
        labels=torch.zeros(3, dtype=torch.long),
        masks=BitmapMasks(masks, *shape),
    )
    if not look.masks:
        del sample.gt_instances.masks
    sample.ignored_instances = InstanceData(
        bboxes=HorizontalBoxes(torch.zeros(0, 4)),
        labels=torch.zeros(0, dtype=torch.long),
    )
    # What Fast R-CNN is given in place of an RPN.
    sample.proposals = InstanceData(
        bboxes=HorizontalBoxes(boxes * size), scores=torch.ones(3)
    )
    side = size // look.stride
    sample.gt_sem_seg = PixelData(
        sem_seg=torch.zeros(1, side, side, dtype=torch.long)
    )
    return sample


def _segmentation_sample(
    index: int, shape: tuple[int, int], look: Look
) -> Any:
    from mmseg.structures import SegDataSample

    sample = SegDataSample(metainfo=_metainfo(index, shape))
    maps = torch.zeros(1, *shape, dtype=torch.long)
    sample.gt_sem_seg = PixelData(data=maps)
    sample.gt_edge_map = PixelData(data=maps)
    sample.gt_depth_map = PixelData(data=maps.float())
    return sample


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Drop what a model says of itself while it is built."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        # MMEngine's logger remembers what it lets through, whatever is
        # disabled later, until its level is set.
        with warnings.catch_warnings(), quiet(logging.ERROR):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(before)


def _in_a_line(error: Exception) -> str:
    """Return an error in a line, a long one without its middle.

    Errors of a registry begin with the part that fails and end with why.
    """
    text = f'{type(error).__name__}: {" ".join(str(error).split())}'
    if len(text) <= 2 * KEPT:
        return text
    return f'{text[:KEPT].rstrip()} … {text[-KEPT:].lstrip()}'
