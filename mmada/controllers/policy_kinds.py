"""The kinds of policies that a policy file may hold."""

from __future__ import annotations

from typing import Any

from mmada.controllers.group_policy import GroupPolicy
from mmada.policies.policy import ConstantPolicy, LossRatioPolicy, Policy

POLICIES: dict[str, type[Policy]] = {
    policy.kind: policy
    for policy in (LossRatioPolicy, GroupPolicy, ConstantPolicy)
}


def build_policy(spec: dict[str, Any]) -> Policy:
    """Build a policy of the shape that :meth:`Policy.spec` described.

    Raises:
        ValueError: If the kind is unknown or a size is out of range.
    """
    options = dict(spec)
    kind = options.pop('kind', None)
    if not isinstance(kind, str) or kind not in POLICIES:
        raise ValueError(
            f'`kind` of a policy should be one of '
            f'{sorted(POLICIES)}. Found {kind!r}.'
        )
    return POLICIES[kind](**options)
