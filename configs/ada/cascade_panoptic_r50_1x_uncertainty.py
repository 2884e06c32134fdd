# Weights that are learned beside the network, full size: no search, no policy,
# the cost of one training. The losses of the region proposals keep weight 1.
_base_ = [
    '../_base_/models/weighted_cascade_panoptic_r50_dcn_fpn.py',
    '../_base_/datasets/coco_panoptic.py',
    '../_base_/schedules/head_rule_1x.py',
    '../_base_/default_runtime.py',
]
custom_imports = dict(imports=['mmada'], allow_failed_imports=False)

# As in the benchmark: AdamW, and the rule of the heads that is exact with
# weights that change at every iteration.
optim_wrapper = dict(
    head_rule=dict(mode='grad'),
    optimizer=dict(_delete_=True, type='AdamW', lr=0.0001, weight_decay=0.05),
)
custom_hooks = [
    dict(
        type='StepWeightingHook',
        weighting=dict(type='UncertaintyWeighting', normalize='mean'),
    )
]
