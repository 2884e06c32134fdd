# CamVid's 4 things for detectors: the images of camvid_panoptic.py, with the
# same ones held out.
_base_ = './camvid_panoptic.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = _base_.test_pipeline

dataset_type = 'CocoDataset'
things = dict(
    _delete_=True,
    type=dataset_type,
    data_root=_base_.data_root,
    metainfo=dict(classes=('SignSymbol', 'Car', 'Pedestrian', 'Bicyclist')),
)
train_things = dict(
    things,
    ann_file='annotations/instances_train.json',
    data_prefix=dict(img='train/'),
    pipeline=train_pipeline,
)
scored = dict(things, test_mode=True, pipeline=test_pipeline)

train_dataloader = dict(dataset=train_things)
proxy_dataloader = dict(dataset=dict(dataset=train_things))
reward_dataloader = dict(
    dataset=dict(
        dataset=dict(train_things, test_mode=True, pipeline=test_pipeline)
    )
)
val_dataloader = dict(
    dataset=dict(
        scored,
        ann_file='annotations/instances_val.json',
        data_prefix=dict(img='val/'),
    )
)
test_dataloader = dict(
    dataset=dict(
        scored,
        ann_file='annotations/instances_test.json',
        data_prefix=dict(img='test/'),
    )
)

val_evaluator = dict(
    _delete_=True,
    type='SubsetCocoMetric',
    metric=['bbox', 'segm'],
    ann_file=_base_.data_root + 'annotations/instances_val.json',
)
test_evaluator = dict(
    val_evaluator,
    ann_file=_base_.data_root + 'annotations/instances_test.json',
)
reward_evaluator = dict(
    val_evaluator,
    ann_file=_base_.data_root + 'annotations/instances_train.json',
    # How noisy the rewards are, on draws of their images.
    resamples=100,
)
