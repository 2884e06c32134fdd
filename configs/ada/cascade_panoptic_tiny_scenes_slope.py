# Whole trainings in place of rounds: eight replicas train from the first round
# to the last with factors of their own, and a fresh model with those that the
# slope between them points to. Four factors are three directions, for which
# six replicas are two each, one opposite the other; the others are the centre
# point and the control, with all weights 1.
_base_ = './cascade_panoptic_tiny_scenes.py'

train_cfg = dict(
    exploration=dict(
        controller=dict(_delete_=True, type='SlopeSearch', num_replicas=8),
    ),
)

# Weights from l^1, as the replicas had them.
custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(type='PolicyWeightingHook', mode='pred'),
]
