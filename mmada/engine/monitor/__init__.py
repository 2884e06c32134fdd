"""The status of a run, for other programs and at a terminal."""

from mmada.engine.monitor.monitor import Monitor, TrainingMonitorHook
from mmada.engine.monitor.status import FORMAT, Phase, RunStatus
from mmada.engine.monitor.terminal_line import PROGRESS

__all__ = [
    'FORMAT',
    'PROGRESS',
    'Monitor',
    'Phase',
    'RunStatus',
    'TrainingMonitorHook',
]
