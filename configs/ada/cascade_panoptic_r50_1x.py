# Algorithm 1 on COCO, full size: explore with 8 replicas on the proxy split,
# then train a fresh model on all of train2017 with the ensemble of policies.
#
# The proxy split, 10k of the 118k training images held out for the rewards:
#   python tools/make_proxy_split.py \
#       data/coco/annotations/panoptic_train2017.json --num-reward 10000
_base_ = [
    '../_base_/models/cascade_panoptic_r50_dcn_fpn.py',
    '../_base_/datasets/coco_panoptic.py',
    '../_base_/schedules/schedule_1x.py',
    '../_base_/default_runtime.py',
]
custom_imports = dict(imports=['mmada'], allow_failed_imports=False)

model = dict(
    _delete_=True,
    type='LossWeightWrapper',
    objectives='cascade_panoptic',
    detector=_base_.model,
)

optim_wrapper = dict(
    constructor='HeadRuleOptimWrapperConstructor',
    head_rule=dict(mode='lr', limits=(0.01, 100.0)),
)

proxy_ann = 'annotations/panoptic_train2017_proxy_{}.json'
proxy_prefix = _base_.train_dataloader.dataset.data_prefix
reward_ann = proxy_ann.format('reward')

train_cfg = dict(
    _delete_=True,
    type='ExploreThenTrainLoop',
    exploration=dict(
        type='ParallelExplorationLoop',
        num_rounds=12,
        iters_per_round=None,  # one epoch
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
        dataloader=dict(
            batch_size=2,  # on each of 8 GPUs
            num_workers=2,
            sampler=dict(type='DefaultSampler', shuffle=True),
            batch_sampler=dict(type='AspectRatioBatchSampler'),
            dataset=dict(
                type=_base_.dataset_type,
                data_root=_base_.data_root,
                ann_file=proxy_ann.format('train'),
                data_prefix=proxy_prefix,
                filter_cfg=dict(filter_empty_gt=True, min_size=32),
                pipeline=_base_.train_pipeline,
            ),
        ),
        reward_dataloader=dict(
            batch_size=1,
            num_workers=2,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(
                type=_base_.dataset_type,
                data_root=_base_.data_root,
                ann_file=reward_ann,
                data_prefix=proxy_prefix,
                test_mode=True,
                pipeline=_base_.test_pipeline,
            ),
        ),
        reward_evaluator=dict(
            type='PanopticQuality',
            ann_file=_base_.data_root + reward_ann,
            seg_prefix=_base_.data_root + proxy_prefix.seg,
            classes_of='ground_truth',  # the same for all replicas
        ),
        reward_metric='coco_panoptic/PQ',
    ),
    training=_base_.train_cfg,
)

# Takes the policy that the exploration wrote into the work directory.
custom_hooks = [dict(type='PolicyWeightingHook', mode='comb')]
