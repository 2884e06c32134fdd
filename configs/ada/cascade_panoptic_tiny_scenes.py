# Algorithm 1 on generated scenes: explore with four replicas, then train a
# fresh model with the ensemble of policies. `make demo` runs it.
_base_ = '../baselines/cascade_panoptic_tiny_scenes_misscaled.py'

train_cfg = dict(
    _delete_=True,
    type='ExploreThenTrainLoop',
    exploration=dict(
        type='ParallelExplorationLoop',
        num_rounds=6,
        controller=dict(type='AdaSegment', preset='stable', num_replicas=4),
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
