# CamVid's 4 things, for detectors; as camvid_panoptic.py, with the same images
# held out.
data_root = '{{$MMADA_CAMVID:data/camvid_panoptic/}}'
dataset_type = 'CocoDataset'
metainfo = dict(classes=('SignSymbol', 'Car', 'Pedestrian', 'Bicyclist'))
reward_ids = data_root + 'annotations/panoptic_train_reward.txt'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    # Changes nothing, but notes the scale factor that mask heads ask for.
    dict(type='Resize', scale_factor=1.0, keep_ratio=True),
    dict(
        type='PackDetInputs',
        meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
        ),
    ),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        metainfo=metainfo,
        ann_file='annotations/instances_train.json',
        data_prefix=dict(img='train/'),
        pipeline=train_pipeline,
    ),
)
# In place of train_dataloader, where rewards are asked for.
proxy_dataloader = dict(
    train_dataloader,
    dataset=dict(
        type='ImageSubset',
        dataset=train_dataloader['dataset'],
        ids_file=reward_ids,
        keep='others',
    ),
)
reward_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ImageSubset',
        dataset=dict(
            train_dataloader['dataset'], test_mode=True, pipeline=test_pipeline
        ),
        ids_file=reward_ids,
        keep='listed',
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        metainfo=metainfo,
        ann_file='annotations/instances_val.json',
        data_prefix=dict(img='val/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    val_dataloader,
    dataset=dict(
        val_dataloader['dataset'],
        ann_file='annotations/instances_test.json',
        data_prefix=dict(img='test/'),
    ),
)

reward_evaluator = dict(
    type='SubsetCocoMetric',
    metric=['bbox', 'segm'],
    ann_file=data_root + 'annotations/instances_train.json',
    # How noisy the rewards are, on draws of their images.
    resamples=100,
)
val_evaluator = dict(
    type='SubsetCocoMetric',
    metric=['bbox', 'segm'],
    ann_file=data_root + 'annotations/instances_val.json',
)
test_evaluator = dict(
    val_evaluator, ann_file=data_root + 'annotations/instances_test.json'
)
