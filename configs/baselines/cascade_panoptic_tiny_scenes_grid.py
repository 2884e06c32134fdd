# Baseline-G: the paper's grid of static weights, one whole training a point,
# then a training with the best ones.
_base_ = '../ada/cascade_panoptic_tiny_scenes.py'

train_cfg = dict(
    exploration=dict(
        num_rounds=5,
        iters_per_round=384,  # six epochs of 256 images, four at a time
        controller=dict(
            _delete_=True,
            type='GridSearch',
            num_replicas=4,
            groups=[[0, 1, 2], [3]],  # cls, bbox and mask; seg
            values=[[0.5, 0.75, 1.0, 1.5], [0.1, 0.25, 0.5, 0.75, 1.0]],
        ),
    ),
)

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(type='PolicyWeightingHook', mode='final'),
]
