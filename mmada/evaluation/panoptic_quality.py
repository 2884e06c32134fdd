"""Panoptic quality as a metric of mmengine, computed in memory.

Segments are matched in `matching.py`; their counts by class, and averages
over all classes, things and stuff are in `class_counts.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.registry import METRICS

from mmada.datasets.coco_panoptic import BackendArgs
from mmada.datasets.segment_map import to_segment_map
from mmada.evaluation.class_counts import (
    ClassesOf,
    check_classes_of,
    class_table,
    group_table,
    make_report,
    sum_counts,
    warn_of_empty_groups,
)
from mmada.evaluation.coco_truth import (
    CocoTruth,
    label_categories,
    split_labels,
    wrong_areas,
)
from mmada.evaluation.matching import ImageCounts, Truth, count_image
from mmada.evaluation.resampling import resample_quality
from mmada.utils.checks import check_int

SUFFIXES = {'All': '', 'Things': '_th', 'Stuff': '_st'}


FILES = 'tools/format_panoptic.py writes predictions to files.'


@METRICS.register_module()
class PanopticQuality(BaseMetric):
    """PQ, SQ and RQ in percent, with the keys of mmdet's metric.

    The config of an evaluator with mmdet's ``CocoPanopticMetric`` needs
    another ``type`` and nothing else; what this metric cannot do is refused
    by name.

    The numbers are those of mmdet's ``CocoPanopticMetric``, with two
    differences. An average over no class is NaN, with a warning, instead of
    a division by zero. And void pixels of a prediction never become part of
    a segment: in the files that mmdet's metric writes, class 0 has the id of
    void if it is stuff.

    A network of NaN weights predicts some map without an error, so it gets a
    finite number here: a good value does not show that a model is sound.

    Args:
        ann_file: Annotation file of the COCO panoptic format. Areas are
            taken from it, as the reference does. It may hold more images:
            those that are evaluated count.
        seg_prefix: Folder of the true segment maps.
        classwise: Whether to return ``{class name}_PQ`` too and to log a
            table of all classes. Defaults to False.
        classes_of: Classes to average over. 'official': those in the truth
            or predicted falsely, so two models may be averaged over
            different classes. 'ground_truth': those in the truth, the same
            for every model; use it for rewards. Defaults to 'official'.
        resamples: Number B of draws of the images with replacement, the same
            for every model. With some, ``PQ_resamples`` (and with ``_th``
            and ``_st``) is a list of the B values, from which the noise of
            PQ, or of a difference, can be told. Defaults to 0.
        backend_args: File backend of mmengine. Defaults to None.
        collect_device: 'cpu' or 'gpu'. Defaults to 'cpu'.
        prefix: Prefix of the keys. Defaults to 'coco_panoptic'.
        collect_dir: Folder that ranks exchange results in, for
            ``collect_device='cpu'``. Defaults to None.
        nproc: Of mmdet's metric; without effect, as images are counted when
            they are predicted. Defaults to None.
        format_only: Of mmdet's metric; False.
        outfile_prefix: Of mmdet's metric; None.
        file_client_args: Of mmdet's metric; None.

    Raises:
        OSError: If the annotation file cannot be read.
        ValueError: If its content or an option does not fit.
    """

    default_prefix = 'coco_panoptic'
    _dataset_meta: dict[str, Any] | None

    def __init__(
        self,
        ann_file: str | None = None,
        seg_prefix: str | None = None,
        classwise: bool = False,
        classes_of: ClassesOf = 'official',
        resamples: int = 0,
        backend_args: BackendArgs = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
        nproc: int | None = None,
        format_only: bool = False,
        outfile_prefix: str | None = None,
        file_client_args: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        _refuse('format_only', False, format_only, FILES)
        _refuse('outfile_prefix', None, outfile_prefix, FILES)
        _refuse(
            'file_client_args',
            None,
            file_client_args,
            'It is called `backend_args`.',
        )
        ann_file = _require('ann_file', 'an annotation file', ann_file)
        seg_prefix = _require('seg_prefix', 'its folder of maps', seg_prefix)
        check_classes_of(classes_of)
        self.classwise = classwise
        self.classes_of: ClassesOf = classes_of
        self.resamples = check_int('resamples', resamples, 0)
        self._truth = CocoTruth(ann_file, seg_prefix, backend_args)
        self._category_ids: list[int] = []
        self._warned_of_areas = False

    @property
    def dataset_meta(self) -> dict[str, Any] | None:
        """What is known of the data set: its ``classes``."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict[str, Any] | None) -> None:
        """Compare the classes with the annotation file, before any image.

        Raises:
            ValueError: If they do not fit.
        """
        before = (self._dataset_meta or {}).get('classes')
        self._dataset_meta = meta
        if meta and meta.get('classes') and meta['classes'] != before:
            self._category_ids = self._read_classes()

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count one batch; the predictions are only read.

        Args:
            data_batch: Not used.
            data_samples: ``img_id`` and ``pred_panoptic_seg`` of each image,
                the latter with ``sem_seg`` (1, height, width) and perhaps
                ``ignore_index``.

        Raises:
            OSError: If the true map of an image cannot be read.
            ValueError: If the data set, an image or a label is unknown or
                sizes differ.
        """
        if not self._category_ids:
            self._category_ids = self._read_classes()
        for sample in data_samples:
            _check_sample(sample)
            truth = self._truth[sample['img_id']]
            self._check_areas(sample['img_id'], truth)
            self.results.append(self._count(sample, truth))

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """Average over images and classes.

        Args:
            results: The counts of images; repeated images count once.

        Returns:
            ``PQ``, ``SQ``, ``RQ`` and the same with ``_th`` and ``_st``, and
            what the options ask for.
        """
        # mmengine turns named tuples into plain ones on the way.
        records = [ImageCounts(*record) for record in results]
        counts = sum_counts(records, self._truth.categories)
        report = make_report(counts, self._truth.categories, self.classes_of)
        metrics: dict[str, Any] = {
            name.upper() + SUFFIXES[group]: 100 * getattr(quality, name)
            for group, quality in report.groups.items()
            for name in ('pq', 'sq', 'rq')
        }
        warn_of_empty_groups(report)
        if self.classwise:
            tables = group_table(report), class_table(report)
            print_log('\n' + '\n\n'.join(tables), logger='current')
            for c, quality in report.classes.items():
                metrics[f'{report.categories[c].name}_PQ'] = 100 * quality.pq
        return metrics | self._resample(records)

    def score_of_nothing(
        self, images: Iterable[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return what a model gets that finds nothing; NaN without truth.

        Args:
            images: What the data set knows of each, such as its `img_id`.
        """
        records = []
        for image in images:
            listed = self._truth.annotations.get(image['img_id'])
            rows = [] if listed is None else listed.segments.tolist()
            missed = tuple(
                category for _, category, _, crowd in rows if not crowd
            )
            records.append(ImageCounts(image['img_id'], (), (), missed))
        return self.compute_metrics(records)

    def _resample(self, records: list[ImageCounts]) -> dict[str, list[float]]:
        if not self.resamples:
            return {}
        found = resample_quality(
            records, self._truth.categories, self.resamples, self.classes_of
        )
        return {
            f'PQ{SUFFIXES[group]}_resamples': (100 * values).tolist()
            for group, values in found.items()
        }

    def _read_classes(self) -> list[int]:
        classes = (self.dataset_meta or {}).get('classes')
        if not classes:
            raise ValueError(
                '`dataset_meta` should have classes. Found '
                f'{self.dataset_meta!r}.'
            )
        ids = label_categories(classes, self._truth.categories)
        names = [self._truth.categories[c].name for c in ids]
        if names != list(classes):
            print_log(
                'The classes of the data set are in another order than the '
                'categories of the annotation file, which mmdet numbers '
                'labels by. Names in pictures may be wrong; names of this '
                'metric are those of the file.',
                logger='current',
                level=logging.WARNING,
            )
        return ids

    def _count(self, sample: dict, truth: Truth) -> ImageCounts:
        image_id = sample['img_id']
        prediction = sample['pred_panoptic_seg']
        ids: torch.Tensor = prediction['sem_seg']
        if ids.ndim != 3 or ids.shape[0] != 1:
            raise ValueError(
                f'image {image_id}: pred_panoptic_seg.sem_seg should have '
                f'the shape (1, height, width). Found {tuple(ids.shape)}.'
            )
        segments = to_segment_map(ids[0].cpu().numpy())
        ignore = prediction.get('ignore_index', len(self._category_ids))
        try:
            categories, void = split_labels(
                segments.labels.tolist(), self._category_ids, ignore
            )
        except ValueError as error:
            raise ValueError(f'image {image_id}: {error}') from None
        return count_image(image_id, truth, segments, categories, void)

    def _check_areas(self, image_id: int | str, truth: Truth) -> None:
        if self._warned_of_areas or not (wrong := wrong_areas(truth)):
            return
        self._warned_of_areas = True
        print_log(
            f'Image {image_id}: the annotation file states other areas than '
            f'the map has for segments {wrong}. Panoptic quality follows the '
            'file and is wrong for them.',
            logger='current',
            level=logging.WARNING,
        )


def _check_sample(sample: dict) -> None:
    for name, source in (
        ('img_id', '`meta_keys` of PackDetInputs names it.'),
        ('pred_panoptic_seg', 'A panoptic model predicts it.'),
    ):
        if name not in sample:
            raise ValueError(
                f'`data_samples` should have {name}. Found {sorted(sample)}. '
                f'{source}'
            )


def _refuse(name: str, expected: Any, found: Any, advice: str) -> None:
    """Refuse an option of mmdet's metric that is not its default."""
    if found != expected:
        raise ValueError(
            f'`{name}` should be {expected}. Found {found!r}. {advice}'
        )


def _require(name: str, what: str, found: str | None) -> str:
    if found is None:
        raise ValueError(
            f'`{name}` should be {what}. Found None. The truth is read from '
            'files, not from the data set.'
        )
    return found
