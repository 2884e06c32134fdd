# Weights that follow a plan: the box losses, which come too large, start low
# and end at what makes up for their scale; the masks wait for the boxes.
_base_ = './cascade_panoptic_tiny_scenes_misscaled.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='StepWeightingHook',
        weighting=dict(
            type='ScheduledWeighting',
            schedules=dict(
                # (share of the training done, weight)
                bbox=dict(points=[(0, 0.02), (0.5, 0.05)], shape='cosine'),
                mask=dict(points=[(0, 0.5), (1 / 6, 1.0)], shape='hold'),
            ),
        ),
    ),
]
