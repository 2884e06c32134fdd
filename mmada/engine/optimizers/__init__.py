"""The head rule and the constructor that sets it up."""

from .constructor import (
    HeadRuleOptimWrapperConstructor,
    head_rule_of,
    remove_head_rule,
    suspended_head_rule,
)
from .head_rule import HeadRule

__all__ = [
    'HeadRule',
    'HeadRuleOptimWrapperConstructor',
    'head_rule_of',
    'remove_head_rule',
    'suspended_head_rule',
]
