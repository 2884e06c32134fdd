"""The status of a run, for programs and for a person at a terminal."""

from .monitor import Monitor
from .status import SCHEMA, Phase, RunStatus
from .status_file import FILE
from .terminal_line import PROGRESS
from .training_monitor_hook import TrainingMonitorHook

__all__ = [
    'FILE',
    'PROGRESS',
    'SCHEMA',
    'Monitor',
    'Phase',
    'RunStatus',
    'TrainingMonitorHook',
]
