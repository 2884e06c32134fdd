"""What is looked at before or after a run: data, losses, rewards, policies.

Each command that looks at something has its library here:

- `tools/check_data.py` in `mmada.diagnostics.data`
- `tools/check_reward.py` in `mmada.diagnostics.reward`
- `tools/inspect_policy.py` in `mmada.diagnostics.policy`
- `mmada diagnose` in `mmada.diagnostics.gradients`
- `mmada plan` in `mmada.diagnostics.plan`
- `tools/verify_state.py` in `mmada.diagnostics.work_dir`

The engine never imports this package.
"""

from mmada.diagnostics.data import check_data_set
from mmada.diagnostics.gradients import describe_gradients, measure_gradients
from mmada.diagnostics.policy import describe_policy, dry_run
from mmada.diagnostics.reward import check_checkpoints
from mmada.diagnostics.work_dir import inspect_work_dir

__all__ = [
    'check_checkpoints',
    'check_data_set',
    'describe_gradients',
    'describe_policy',
    'dry_run',
    'inspect_work_dir',
    'measure_gradients',
]
