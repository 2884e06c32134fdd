# One use of a trained policy: what the last one makes of the first losses.
_base_ = './cascade_panoptic_tiny_scenes_mode_final.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(_base_.custom_hooks[1], mode='pred'),
]
