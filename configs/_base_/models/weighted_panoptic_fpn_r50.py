# Panoptic FPN, its losses weighted: four objectives.
_base_ = './panoptic_fpn_r50.py'

model = dict(
    _delete_=True,
    type='LossWeightWrapper',
    objectives='panoptic_fpn',
    detector=_base_.model,
)
