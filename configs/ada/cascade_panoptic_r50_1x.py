# Algorithm 1 on COCO, full size, in one run: explore with 8 replicas on the
# proxy split, then train a fresh model on all of train2017 with the ensemble
# of policies. The paper's own settings are in configs/paper.
#
# The proxy split, 10k of the 118k training images held out for the rewards:
#   python tools/make_proxy_split.py \
#       data/coco/annotations/panoptic_train2017.json --num-reward 10000
_base_ = [
    '../_base_/models/weighted_cascade_panoptic_r50_dcn_fpn.py',
    '../_base_/datasets/coco_panoptic_proxy.py',
    '../_base_/schedules/head_rule_1x.py',
    '../_base_/default_runtime.py',
]
custom_imports = dict(
    imports=['mmada', 'mmada.visualization'], allow_failed_imports=False
)
# The weights over the rounds as a picture, for each visual backend.
default_hooks = dict(exploration_figure=dict(type='ExplorationFigureHook'))

train_cfg = dict(
    _delete_=True,
    type='ExploreThenTrainLoop',
    exploration=dict(
        type='ParallelExplorationLoop',
        num_rounds=12,
        iters_per_round=None,  # one epoch
        # All of 8 GPUs train one replica at a time, with two images each.
        ranks_per_replica=8,
        dataloader=dict(_base_.proxy_dataloader, batch_size=16),
        controller=dict(
            type='AdaSegment',
            preset='stable',
            num_replicas=8,
            # Class, box and mask losses of the three stages together, and the
            # segmentation: with few replicas and rounds four factors are
            # learned sooner than ten. What the losses of a kind differ in by
            # scale alone, inverse-loss weighting takes away.
            groups=[[0, 3, 6], [1, 4, 7], [2, 5, 8], [9]],
        ),
        reward_dataloader=_base_.reward_dataloader,
        reward_evaluator=_base_.reward_evaluator,
        reward_metric='coco_panoptic/PQ',
    ),
    training=_base_.train_cfg,
)

# Takes the policy that the exploration wrote into the work directory.
custom_hooks = [dict(type='PolicyWeightingHook', mode='comb')]
