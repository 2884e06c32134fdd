# The population explores around a policy that never learns.
_base_ = '../cascade_panoptic_tiny_scenes.py'

train_cfg = dict(exploration=dict(controller=dict(kl_limit=0.0)))
