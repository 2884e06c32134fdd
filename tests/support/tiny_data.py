"""Small images with boxes and masks, and a metric on them, in memory."""

from __future__ import annotations

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps
from mmdet.structures.mask import BitmapMasks
from mmengine.evaluator import BaseMetric
from mmengine.registry import DATASETS, METRICS
from mmengine.structures import InstanceData, PixelData
from torch.utils.data import Dataset

SIZE = 64
THINGS, STUFF = 2, 1
CLASSES = ('bright', 'dark', 'ground')
_VOID = 255


@DATASETS.register_module()
class TinyBoxes(Dataset):
    """One to three rectangles on noise; each item depends on its index.

    The number of objects differs from image to image, so that a normaliser
    of half a batch is not that of the batch.

    Args:
        size: Number of images.
        offset: Index of the first; another offset gives other images.
    """

    METAINFO = dict(classes=CLASSES)

    def __init__(self, size=4, offset=0):
        self.size = size
        self.offset = offset
        self.metainfo = self.METAINFO

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        index += self.offset
        random = np.random.default_rng(index)
        labels = random.integers(THINGS, size=1 + index % 3)
        boxes = np.array([_box(random) for _ in labels], dtype=np.float32)
        masks = np.stack([_mask(box) for box in boxes])
        image = random.normal(120, 20, (3, SIZE, SIZE))
        for label, mask in zip(labels, masks, strict=True):
            image[:, mask > 0] += (60, -60)[label]
        return dict(
            inputs=torch.from_numpy(image.clip(0, 255).astype(np.uint8)),
            data_samples=_sample(index, labels, boxes, masks),
        )


def _box(random):
    """Draws a box of 16 to 40 pixels a side, on whole pixels."""
    width, height = random.integers(16, 41, size=2)
    x, y = random.integers(SIZE - width), random.integers(SIZE - height)
    return x, y, x + width, y + height


def _mask(box):
    x1, y1, x2, y2 = box.astype(int)
    mask = np.zeros((SIZE, SIZE), dtype=np.uint8)
    mask[y1:y2, x1:x2] = 1
    return mask


def _sample(index, labels, boxes, masks):
    sample = DetDataSample(
        metainfo=dict(
            img_id=index,
            img_shape=(SIZE, SIZE),
            ori_shape=(SIZE, SIZE),
            scale_factor=(1.0, 1.0),
        )
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.from_numpy(boxes),
        labels=torch.from_numpy(labels),
        masks=BitmapMasks(masks, SIZE, SIZE),
    )
    # The ground around the objects is the one kind of stuff.
    stuff = np.where(masks.any(0), _VOID, THINGS)
    sample.gt_sem_seg = PixelData(sem_seg=torch.from_numpy(stuff)[None])
    return sample


@METRICS.register_module()
class BestOverlap(BaseMetric):
    """`tiny/overlap`: how well the objects are hit, on average.

    Counts for each object the largest IoU of the predictions, of their masks
    where they have some, times the prediction's score: unlike AP it tells two
    bad models apart. Then the mean over an image's objects, and over images.
    """

    default_prefix = 'tiny'

    def process(self, data_batch, data_samples):
        for sample in data_samples:
            found, truth = sample['pred_instances'], sample['gt_instances']
            overlaps = (
                _mask_overlaps(truth['masks'], found['masks'])
                if 'masks' in found
                else bbox_overlaps(truth['bboxes'], found['bboxes'])
            )
            best = (overlaps * found['scores']).max(1).values
            self.results.append(float(best.mean()))  # one an image

    def compute_metrics(self, results):
        return dict(overlap=sum(results) / len(results))


def _mask_overlaps(truth, found):
    truth = truth.to_tensor(torch.float32, 'cpu').flatten(1)
    found = found.float().flatten(1)
    both = truth @ found.T
    return both / (truth.sum(1)[:, None] + found.sum(1) - both)


def dataloader(offset=0, size=8, batch_size=4):
    """Returns a dataloader config, of two batches unless told otherwise."""
    return dict(
        batch_size=batch_size,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='pseudo_collate'),
        dataset=dict(type='TinyBoxes', size=size, offset=offset),
    )
