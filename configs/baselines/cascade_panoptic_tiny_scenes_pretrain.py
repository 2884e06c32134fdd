# Makes the state that the demo's trainings start from, on scenes of its own.
_base_ = './cascade_panoptic_tiny_scenes_ones.py'

model = dict(init_cfg=None)
train_cfg = dict(max_epochs=5, val_interval=5)
