# The controller exactly as the paper describes it.
_base_ = '../cascade_panoptic_tiny_scenes.py'

train_cfg = dict(exploration=dict(controller=dict(preset='paper')))
