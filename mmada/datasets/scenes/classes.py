"""The classes of the generated scenes, things first.

Two pairs of thing classes share their colours and differ in shape, two pairs
of stuff classes share their mean colour and differ in texture, so that
neither colour alone nor shape alone separates the classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

RGB = tuple[int, int, int]

WARM: tuple[RGB, ...] = ((212, 66, 52), (236, 148, 48), (238, 214, 96))
EARTHY: tuple[RGB, ...] = ((150, 98, 60), (62, 122, 134), (196, 132, 160))


class SceneClass(NamedTuple):
    """One category.

    Attributes:
        id: Category id in the JSON file; not contiguous, as in COCO.
        name: Class name.
        isthing: Whether it has instances.
        color: Colour in segment maps; its segments' ids start here.
        paints: Base colours that the class is drawn with.
    """

    id: int
    name: str
    isthing: bool
    color: RGB
    paints: tuple[RGB, ...]


THINGS = (
    SceneClass(1, 'ball', True, (20, 40, 200), WARM),
    SceneClass(2, 'ring', True, (20, 150, 220), WARM),
    SceneClass(3, 'crate', True, (20, 60, 90), EARTHY),
    SceneClass(4, 'kite', True, (20, 120, 40), EARTHY),
)
STUFF = (
    SceneClass(11, 'sky', False, (200, 180, 120), ((116, 156, 196),)),
    SceneClass(12, 'water', False, (200, 90, 60), ((116, 156, 196),)),
    SceneClass(13, 'grass', False, (120, 200, 90), ((100, 142, 76),)),
    SceneClass(14, 'forest', False, (120, 110, 30), ((100, 142, 76),)),
)


def scene_metainfo() -> dict[str, Any]:
    """Return the ``metainfo`` that mmdet's panoptic datasets expect.

    Returns:
        ``classes`` (things first, in the order of the category ids),
        ``thing_classes``, ``stuff_classes`` and a colour for each class.
    """
    return dict(
        classes=tuple(c.name for c in THINGS + STUFF),
        thing_classes=tuple(c.name for c in THINGS),
        stuff_classes=tuple(c.name for c in STUFF),
        palette=[c.color for c in THINGS + STUFF],
    )


def scene_categories() -> list[dict[str, Any]]:
    """Return the ``categories`` list of the JSON files, things first."""
    return [
        dict(
            id=c.id,
            name=c.name,
            supercategory='thing' if c.isthing else 'stuff',
            isthing=int(c.isthing),
            color=list(c.color),
        )
        for c in THINGS + STUFF
    ]
