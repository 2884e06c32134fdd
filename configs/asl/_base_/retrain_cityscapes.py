# All of a training on Cityscapes but for the metric and its curves: those
# that the authors of Auto Seg-Loss found on VOC, unless a search found others:
#   MMADA_THETA=work_dirs/.../curve.json python tools/train.py ...
# The schedule is that of VOC.
_base_ = [
    './models/deeplabv3plus_r101-d8.py',
    './datasets/cityscapes_512x1024.py',
    './schedules/retrain_10k.py',
    './default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(num_classes=19),
    auxiliary_head=dict(num_classes=19),
)
