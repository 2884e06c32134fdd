# A search over the first half of nine trainings, then a training on all
# training images with the weights that the slope between them points to.
_base_ = './cascade_panoptic_lite0_camvid_ones.py'

model = dict(objectives='cascade_kinds_rpn')

train_cfg = dict(
    _delete_=True,
    type='ExploreThenTrainLoop',
    exploration=dict(
        type='ParallelExplorationLoop',
        num_rounds=_base_.train_cfg.max_epochs // 2,
        controller=dict(
            type='SlopeSearch',
            # The centre point, the control and seven around the centre.
            num_replicas=9,
            rounds_per_training=_base_.train_cfg.max_epochs,
        ),
        dataloader=_base_.proxy_dataloader,
        reward_dataloader=_base_.reward_dataloader,
        reward_evaluator=_base_.reward_evaluator,
        reward_metric='coco_panoptic/PQ',
        log_interval=20,
    ),
    training=_base_.train_cfg,
)

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(type='PolicyWeightingHook', mode='pred'),
]
