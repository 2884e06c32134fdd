# As many random static weights as the grid has points.
_base_ = './cascade_panoptic_tiny_scenes_grid.py'

train_cfg = dict(
    exploration=dict(
        controller=dict(_delete_=True, type='RandomSearch', num_replicas=4)
    )
)
