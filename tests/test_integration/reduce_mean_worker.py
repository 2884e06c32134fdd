"""Explores tiny detectors on several ranks."""

from tests.support import processes, tiny_detectors


def explore(folder, variants):
    """Explores in the folders DETECTOR/RANKS_PER_REPLICA.

    Args:
        folder: Where these are.
        variants: Numbers of ranks per replica, by detector.
    """
    options = processes.join()
    for name, sizes in variants.items():
        for size in sizes:
            tiny_detectors.runner(
                name,
                f'{folder}/{name}/{size}',
                dict(ranks_per_replica=size, replica_timeout=60),
                **options,
            ).train()
