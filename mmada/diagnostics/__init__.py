"""What is looked at before or after a run: data, rewards, policies, files.

Each command of `tools/` that looks at something has its library here.
"""

from mmada.diagnostics.data.data_set import check_data_set
from mmada.diagnostics.policy import dry_run, outlook
from mmada.diagnostics.reward import check_checkpoints
from mmada.diagnostics.work_dir import inspect_work_dir

__all__ = [
    'check_checkpoints',
    'check_data_set',
    'dry_run',
    'inspect_work_dir',
    'outlook',
]
