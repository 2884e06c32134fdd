# One use of a trained policy: the weights of the last winner, static.
# The policy is one that configs/ada/cascade_panoptic_tiny_scenes.py found.
_base_ = '../../baselines/cascade_panoptic_tiny_scenes_misscaled.py'

search = '{{$MMADA_SEARCH:work_dirs/cascade_panoptic_tiny_scenes}}'
custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='PolicyWeightingHook',
        policy=search + '/policy.safetensors',
        mode='final',
    ),
]
