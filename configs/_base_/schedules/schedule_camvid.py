# A short training from ImageNet weights; one cosine curve.
_base_ = './schedule_scenes.py'

train_cfg = dict(max_epochs=8, val_interval=8)
optim_wrapper = dict(optimizer=dict(lr=0.001))
