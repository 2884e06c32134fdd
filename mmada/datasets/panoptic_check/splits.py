"""Images that are trained on, and images that are scored."""

from __future__ import annotations

from collections.abc import Collection

from mmada.datasets.panoptic_check.faults import Fault


def check_apart(
    trained: Collection[str], scored: Collection[str], names: tuple[str, str]
) -> list[Fault]:
    """Check that no image is both trained on and scored.

    Args:
        trained: Paths of images.
        scored: Paths of images.
        names: Names of the two, for the faults.
    """
    both = sorted(set(trained) & set(scored))
    return [
        Fault('overlap', f'{path} in {" and ".join(names)}') for path in both
    ]
