# All of a search on Cityscapes but for the metric.
_base_ = [
    './models/deeplabv3plus_r50-d8.py',
    './datasets/cityscapes_search_128x128.py',
    './schedules/search_1k.py',
    './default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(num_classes=19),
    auxiliary_head=dict(num_classes=19),
)
train_cfg = dict(
    reward_dataloader=_base_.reward_dataloader,
    reward_evaluator=_base_.reward_evaluator,
)
