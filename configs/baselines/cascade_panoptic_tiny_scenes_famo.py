# FAMO: equal progress of all losses, by a second look at every batch. The
# weights add up to 4 and not to 1, so that the losses of the RPN, which
# belong to no objective, keep their place beside the four.
_base_ = './cascade_panoptic_tiny_scenes_misscaled.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='StepWeightingHook',
        weighting=dict(type='Famo', lr=0.025, decay=0.01, total=4.0),
    ),
]
