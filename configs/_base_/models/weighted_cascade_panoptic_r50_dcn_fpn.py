# The cascade, its losses weighted: ten objectives.
_base_ = './cascade_panoptic_r50_dcn_fpn.py'

model = dict(
    _delete_=True,
    type='LossWeightWrapper',
    objectives='cascade_panoptic',
    detector=_base_.model,
)
