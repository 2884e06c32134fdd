# AM-LFS: REINFORCE on one vector of weights that sees no losses. The result
# is the last winner, explored.pth.
_base_ = '../ada/ablations/cascade_panoptic_tiny_scenes_explored.py'

train_cfg = dict(controller=dict(_delete_=True, type='AmLfs', num_replicas=4))
