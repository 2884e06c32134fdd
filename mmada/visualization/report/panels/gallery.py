"""The test images that changed most."""

from __future__ import annotations

from pathlib import Path

from mmada.visualization.panoptic_panel import (
    VOID_COLOR,
    PanelRow,
    Segmentation,
    category_palette,
    paint,
)
from mmada.visualization.report.image_changes import (
    Change,
    display_scale,
    image_changes,
    map_uri,
    most_changed,
    photo_uri,
    read_image,
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
                read_image(pair.ours.files[change.key]),
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
    scale = display_scale(row.image.shape[1])

    def picture(title: str, segmentation: Segmentation) -> Picture:
        pq = segmentation.pq
        caption = '' if pq is None else f'PQ {pq:.1f}'
        return Picture(
            title, map_uri(paint(segmentation, palette, scale)), caption
        )

    baseline, ours = pair.names
    return GalleryRow(
        Path(pair.ours.files[change.key]).name,
        f'{change.difference:+.1f} PQ',
        [
            Picture('image', photo_uri(row.image)),
            picture('truth', row.truth),
            picture(f'baseline: {baseline}', row.baseline),
            picture(f'ours: {ours}', row.ours),
        ],
    )


def _css(color: tuple[int, int, int]) -> str:
    return '#{:02x}{:02x}{:02x}'.format(*color)
