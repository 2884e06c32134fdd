"""What a search will cost, before it is begun."""

from mmada.diagnostics.plan.bill import (
    Bill,
    Rates,
    Search,
    Training,
    make_bill,
)
from mmada.diagnostics.plan.sources import read_plan

__all__ = [
    'Bill',
    'Rates',
    'Search',
    'Training',
    'make_bill',
    'read_plan',
]
