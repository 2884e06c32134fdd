# What the population gains by selection alone: random weights in every round,
# the best of four replicas goes on, nothing is learned.
_base_ = './cascade_panoptic_tiny_scenes_explored.py'

train_cfg = dict(
    controller=dict(_delete_=True, type='RandomWeights', num_replicas=4)
)
