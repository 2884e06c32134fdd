# One use of a trained policy: those of all rounds, the nearest in time first.
_base_ = './cascade_panoptic_tiny_scenes_mode_final.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(_base_.custom_hooks[1], mode='comb'),
]
