# Real images: a semantic FPN on an EfficientNet-Lite0 with ImageNet weights,
# trained on cross entropy, on CamVid as
#   python tools/convert_camvid_panoptic.py DATA data/camvid_panoptic \
#       --size 240 180
# writes it. reward is a sequence of its own, held out of train; val is for
# choices by hand, test for the final figures only.
_base_ = '../_base_/default_runtime.py'

data_root = '{{$MMADA_CAMVID:data/camvid_panoptic/}}'
dataset_type = 'CamVidSemanticDataset'
reward_ids = data_root + 'annotations/panoptic_train_reward.txt'
num_classes = 11
channels = 64

model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        # As the weights were trained.
        mean=[127.0] * 3,
        std=[128.0] * 3,
        bgr_to_rgb=True,
        size_divisor=32,
        test_cfg=dict(size_divisor=32),
    ),
    backbone=dict(
        type='EfficientNetLite',
        out_indices=(2, 3, 4, 5),
        norm_cfg=dict(type='BN', eps=1e-3, requires_grad=False),
        norm_eval=True,
        init_cfg=dict(
            type='Pretrained', checkpoint='efficientnet_lite://lite0'
        ),
    ),
    neck=dict(
        type='FPN',
        in_channels=[24, 40, 112, 320],
        out_channels=channels,
        num_outs=4,
    ),
    decode_head=dict(
        type='FPNHead',
        in_channels=[channels] * 4,
        in_index=[0, 1, 2, 3],
        feature_strides=[4, 8, 16, 32],
        channels=channels,
        dropout_ratio=0,
        num_classes=num_classes,
        norm_cfg=dict(type='BN', requires_grad=True),
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

load_labels = dict(
    type='mmada.LoadPanopticAnnotations',
    with_bbox=False,
    with_label=False,
    with_mask=False,
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    load_labels,
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    load_labels,
    dict(type='PackSegInputs'),
]
train_part = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='annotations/panoptic_train.json',
    data_prefix=dict(img='train/', seg='annotations/panoptic_train/'),
    pipeline=train_pipeline,
)

train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='ImageSubset',
        dataset=train_part,
        ids_file=reward_ids,
        keep='others',
    ),
)
reward_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ImageSubset',
        dataset=dict(train_part, test_mode=True, pipeline=test_pipeline),
        ids_file=reward_ids,
        keep='listed',
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/panoptic_val.json',
        data_prefix=dict(img='val/', seg='annotations/panoptic_val/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    val_dataloader,
    dataset=dict(
        val_dataloader['dataset'],
        ann_file='annotations/panoptic_test.json',
        data_prefix=dict(img='test/', seg='annotations/panoptic_test/'),
    ),
)

# Edges of images as small as these are near within 2 pixels.
reward_evaluator = dict(
    type='SegmentationQuality', tolerance=2, classes_of='ground_truth'
)
val_evaluator = dict(type='SegmentationQuality', tolerance=2)
test_evaluator = val_evaluator

train_cfg = dict(type='IterBasedTrainLoop', max_iters=400, val_interval=400)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# No `end`: the curve spans the loop, however long it is.
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=1e-5, by_epoch=False),
]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.001, weight_decay=0.01),
)

default_hooks = dict(checkpoint=dict(interval=400))
randomness = dict(seed=0)
