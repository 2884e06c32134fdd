"""A page that shows what a run did, and whether to trust it."""

from mmada.visualization.report.run import Run, read_run
from mmada.visualization.report.writer import (
    ReportOptions,
    WrittenReport,
    write_report,
)

__all__ = [
    'ReportOptions',
    'Run',
    'WrittenReport',
    'read_run',
    'write_report',
]
