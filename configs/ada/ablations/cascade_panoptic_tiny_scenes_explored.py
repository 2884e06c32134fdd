# Ada-Segment-A: the search alone. Its result is the best explored model,
# explored.pth in the work directory.
_base_ = '../cascade_panoptic_tiny_scenes.py'

train_cfg = dict(_delete_=True, **_base_.train_cfg.exploration)
custom_hooks = []
