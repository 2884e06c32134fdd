"""The status of a run, for programs and for a person at a terminal."""

from mmada.engine.monitor.monitor import Monitor, TrainingMonitorHook
from mmada.engine.monitor.status import FILE, SCHEMA, Phase, RunStatus
from mmada.engine.monitor.terminal_line import PROGRESS

__all__ = [
    'FILE',
    'PROGRESS',
    'SCHEMA',
    'Monitor',
    'Phase',
    'RunStatus',
    'TrainingMonitorHook',
]
