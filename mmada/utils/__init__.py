"""Checks of options, what is a measurement, files that survive a kill, seeds.

Below all layers: nothing here knows of a detector, a config or a loop.
"""

from mmada.utils.checks import (
    check_identity,
    check_int,
    check_number,
    check_positive,
    check_vector,
)
from mmada.utils.files import failpoint, file_sha256, replace, sha256
from mmada.utils.measurements import (
    check_not_negative,
    known_losses,
    known_metric,
    latest_losses,
    measured,
)
from mmada.utils.seeding import derive_seed, preserve_rng, seed_all

__all__ = [
    'check_identity',
    'check_int',
    'check_not_negative',
    'check_number',
    'check_positive',
    'check_vector',
    'derive_seed',
    'failpoint',
    'file_sha256',
    'known_losses',
    'known_metric',
    'latest_losses',
    'measured',
    'preserve_rng',
    'replace',
    'seed_all',
    'sha256',
]
