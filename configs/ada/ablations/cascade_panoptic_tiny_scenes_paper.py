# The controller as the paper describes it. Started from a trained model, the
# metric falls at first, so that it cannot be what round 1 is compared with.
_base_ = '../cascade_panoptic_tiny_scenes.py'

train_cfg = dict(
    exploration=dict(controller=dict(preset='paper', first_reference='zero'))
)
