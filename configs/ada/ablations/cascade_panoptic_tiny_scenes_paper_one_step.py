# The paper's controller with one gradient step after a round, in place of
# twenty: its weights seldom stay positive.
_base_ = './cascade_panoptic_tiny_scenes_paper.py'

train_cfg = dict(exploration=dict(controller=dict(updates_per_round=1)))
