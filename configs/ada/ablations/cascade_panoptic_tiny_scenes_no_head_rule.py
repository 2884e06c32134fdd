# Weights act on the heads as well, in the search and in the training.
_base_ = '../cascade_panoptic_tiny_scenes.py'

optim_wrapper = dict(head_rule=dict(mode='off'))
