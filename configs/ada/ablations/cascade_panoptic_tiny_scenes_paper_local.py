# The paper's controller without r_imp: replicas are compared with each other
# alone, not with the round before.
_base_ = './cascade_panoptic_tiny_scenes_paper.py'

train_cfg = dict(exploration=dict(controller=dict(reward='local')))
