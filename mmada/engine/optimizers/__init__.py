"""The head rule and the constructor that sets it up."""

from mmada.engine.optimizers.base_groups import show_whole_groups
from mmada.engine.optimizers.constructor import (
    HeadRuleOptimWrapperConstructor,
    head_rule_of,
    remove_head_rule,
    suspended_head_rule,
)
from mmada.engine.optimizers.head_rule import HeadRule, head_factor

__all__ = [
    'HeadRule',
    'HeadRuleOptimWrapperConstructor',
    'head_factor',
    'head_rule_of',
    'remove_head_rule',
    'show_whole_groups',
    'suspended_head_rule',
]
