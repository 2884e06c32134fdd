"""What is looked at before or after a run: data, rewards, policies, files.

Each command of `tools/` that looks at something has its library here:

- `tools/check_data.py` in `mmada.diagnostics.data`
- `tools/check_reward.py` in `mmada.diagnostics.reward`
- `tools/inspect_policy.py` in `mmada.diagnostics.policy`
- `tools/verify_state.py` in `mmada.diagnostics.work_dir`

The engine never imports this package.
"""

from mmada.diagnostics.data import check_data_set
from mmada.diagnostics.policy import describe_policy, dry_run
from mmada.diagnostics.reward import check_checkpoints
from mmada.diagnostics.work_dir import inspect_work_dir

__all__ = [
    'check_checkpoints',
    'check_data_set',
    'describe_policy',
    'dry_run',
    'inspect_work_dir',
]
