"""Policies: what a search leaves behind, how it is combined, and its file."""

from mmada.policies.ensemble import PolicyEnsemble, ensemble_coefficients
from mmada.policies.policy import (
    ConstantPolicy,
    GroupPolicy,
    LossRatioPolicy,
    Policy,
    build_policy,
)
from mmada.policies.policy_file import (
    PolicyFileError,
    load_policy,
    save_policy,
)

__all__ = [
    'ConstantPolicy',
    'GroupPolicy',
    'LossRatioPolicy',
    'Policy',
    'PolicyEnsemble',
    'PolicyFileError',
    'build_policy',
    'ensemble_coefficients',
    'load_policy',
    'save_policy',
]
