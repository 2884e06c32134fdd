"""The test images that changed most."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import mmcv
import numpy as np

from mmada.visualization.panoptic_panel import (
    VOID_COLOR,
    Image,
    PanelRow,
    Segmentation,
    category_palette,
    enlarge,
    paint,
)
from mmada.visualization.report.image_changes import (
    Change,
    image_changes,
    most_changed,
)
from mmada.visualization.report.panels.panel import GalleryRow, Panel, Picture
from mmada.visualization.report.predictions import ModelPair

CAPTION = (
    'The test images whose panoptic quality changed most from the baseline '
    'to ours, as many gains as losses where there are, the largest gain first '
    'and the largest loss last: a choice of extremes, not a sample. Click a '
    'picture to enlarge it; left and right go to other images, up and down to '
    'other views of the same image, so that a flick between baseline and ours '
    'shows what changed.'
)
_WIDTH = 480
_LARGEST = 1024
_QUALITY = 88


def gallery_panel(pair: ModelPair, number: int) -> Panel:
    """Show images, truth and both models.

    Args:
        pair: Two models.
        number: Images to show.
    """
    names = {c: found.name for c, found in pair.categories.items()}
    palette = category_palette(names)
    used: set[int] = set()
    rows = []
    for change, row in changed_rows(pair, number):
        segmentations = (row.truth, row.baseline, row.ours)
        for segmentation in segmentations:
            used |= set(segmentation.categories.values())
        rows.append(_gallery_row(pair, change, row, palette))
    legend = [(_css(palette[c]), names[c]) for c in names if c in used]
    legend.append((_css(VOID_COLOR), 'void'))
    return Panel(
        'gallery',
        'Images that changed most',
        CAPTION,
        gallery=rows,
        legend=legend,
    )


def changed_rows(
    pair: ModelPair, number: int
) -> list[tuple[Change, PanelRow]]:
    """Return the images that changed most, with their segmentations."""
    changes = image_changes(
        pair.baseline.counts, pair.ours.counts, pair.categories
    )
    return [
        (
            change,
            PanelRow(
                mmcv.imread(pair.ours.files[change.key], channel_order='rgb'),
                pair.true_segmentation(change.key),
                pair.predicted(pair.baseline, change.key, change.baseline),
                pair.predicted(pair.ours, change.key, change.ours),
            ),
        )
        for change in most_changed(changes, number)
    ]


def _gallery_row(
    pair: ModelPair, change: Change, row: PanelRow, palette: dict
) -> GalleryRow:
    scale = _display_scale(row.image.shape[1])

    def picture(title: str, segmentation: Segmentation) -> Picture:
        pq = segmentation.pq
        caption = '' if pq is None else f'PQ {pq:.1f}'
        return Picture(
            title, _map_uri(paint(segmentation, palette, scale)), caption
        )

    baseline, ours = pair.names
    return GalleryRow(
        Path(pair.ours.files[change.key]).name,
        f'{change.difference:+.1f} PQ',
        [
            Picture('image', _photo_uri(row.image)),
            picture('truth', row.truth),
            picture(f'baseline: {baseline}', row.baseline),
            picture(f'ours: {ours}', row.ours),
        ],
    )


def _css(color: tuple[int, int, int]) -> str:
    return '#{:02x}{:02x}{:02x}'.format(*color)


def _display_scale(width: int) -> int:
    """Return how often the pixels of a small picture are repeated."""
    return max(1, round(_WIDTH / width))


def _photo_uri(image: Image) -> str:
    """Return an image (height, width, 3) as a data URI, compressed."""
    picture = _shrink(enlarge(image, _display_scale(image.shape[1])))
    return _encode(
        picture, '.jpg', 'image/jpeg', [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )


def _map_uri(picture: Image) -> str:
    """Return a painted map as a data URI, without loss."""
    return _encode(_shrink(picture), '.png', 'image/png', [])


def _shrink(picture: Image) -> Image:
    factor = _LARGEST / max(picture.shape[:2])
    if factor >= 1:
        return picture
    small = cv2.resize(
        picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA
    )
    return np.asarray(small, dtype=np.uint8)


def _encode(picture: Image, suffix: str, kind: str, options: list[int]) -> str:
    done, data = cv2.imencode(suffix, picture[:, :, ::-1], options)
    if not done:
        raise ValueError(
            '`picture` should be an image (height, width, 3). Found the shape '
            f'{picture.shape}.'
        )
    return f'data:{kind};base64,{base64.b64encode(data.tobytes()).decode()}'
