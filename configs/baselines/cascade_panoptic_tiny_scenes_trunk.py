# All weights 1 and a trunk that learns faster: with shielded heads, this is
# all that the common scale of weights can do.
_base_ = './cascade_panoptic_tiny_scenes_misscaled.py'

optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys=dict(backbone=dict(lr_mult=4.0), neck=dict(lr_mult=4.0))
    )
)
