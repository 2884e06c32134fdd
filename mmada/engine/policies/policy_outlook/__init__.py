"""What a policy file would do, before a training is spent on it."""

from .dry_run import dry_run, probe_losses
from .outlook import SCHEMA, outlook
from .warnings import ensemble_warnings, name_warnings, weight_warnings

__all__ = [
    'SCHEMA',
    'dry_run',
    'ensemble_warnings',
    'name_warnings',
    'outlook',
    'probe_losses',
    'weight_warnings',
]
