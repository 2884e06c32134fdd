# All of a training on VOC but for the metric and its curves: those that the
# authors of Auto Seg-Loss found on VOC, unless a search found others:
#   MMADA_THETA=work_dirs/.../curve.json python tools/train.py ...
_base_ = [
    './models/deeplabv3plus_r101-d8.py',
    './datasets/voc12aug_512x512.py',
    './schedules/retrain_10k.py',
    './default_runtime.py',
]

model = dict(data_preprocessor=dict(size=_base_.crop_size))
