# What the paper's experiments have in common.
_base_ = './default_runtime.py'
custom_imports = dict(imports=['mmada'], allow_failed_imports=False)

default_hooks = dict(checkpoint=dict(max_keep_ckpts=2))
randomness = dict(seed=0)

# Where a search leaves its policy, by the name of its config.
policies = '{{$MMADA_WORK_DIRS:work_dirs}}/{}/policy.safetensors'
