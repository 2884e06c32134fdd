# As _ada_segment, but the search is over the first half of nine trainings.
_base_ = './cascade_panoptic_lite0_camvid_ada_segment.py'

model = dict(objectives='cascade_kinds_rpn')

train_cfg = dict(
    exploration=dict(
        num_rounds=_base_.train_cfg.training.max_epochs // 2,
        controller=dict(
            _delete_=True,
            type='SlopeSearch',
            # The centre point, the control and seven around the centre.
            num_replicas=9,
            rounds_per_training=_base_.train_cfg.training.max_epochs,
        ),
    ),
)

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(type='PolicyWeightingHook', mode='pred'),
]
