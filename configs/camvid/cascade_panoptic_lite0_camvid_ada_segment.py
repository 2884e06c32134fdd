# Algorithm 1 on real images: eight replicas, an epoch a round for all epochs
# of the schedule, then a training on all training images.
_base_ = './cascade_panoptic_lite0_camvid_ones.py'

train_cfg = dict(
    _delete_=True,
    type='ExploreThenTrainLoop',
    exploration=dict(
        type='ParallelExplorationLoop',
        num_rounds=_base_.train_cfg.max_epochs,
        controller=dict(
            type='AdaSegment',
            preset='stable',
            num_replicas=8,
            # Losses of one kind together.
            groups=[[0, 3, 6], [1, 4, 7], [2, 5, 8], [9]],
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
    dict(type='PolicyWeightingHook', mode='comb'),
]
