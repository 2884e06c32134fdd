# A small network on generated scenes, trained on cross entropy:
#   python tools/make_scenes.py data/scenes
# train feeds the gradients, reward (held out of it) a search, test the final
# figures only.
_base_ = '../_base_/default_runtime.py'

data_root = '{{$MMADA_SCENES:data/scenes/}}'
num_classes = 8

# Half the resolution of the image, so that there are edges to be right about.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size_divisor=16,
        test_cfg=dict(size_divisor=16),
    ),
    backbone=dict(
        type='UNet',
        base_channels=16,
        num_stages=4,
        strides=(2, 1, 1, 1),
        enc_num_convs=(1, 1, 1, 1),
        dec_num_convs=(1, 1, 1),
        downsamples=(True, True, True),
        enc_dilations=(1, 1, 1, 1),
        dec_dilations=(1, 1, 1),
        norm_cfg=dict(type='BN', requires_grad=True),
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=16,
        channels=16,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
        num_classes=num_classes,
        norm_cfg=None,
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

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='SceneSemanticDataset',
        data_root=data_root,
        ann_file='annotations/panoptic_train.json',
        data_prefix=dict(img='train/', seg='annotations/panoptic_train/'),
        pipeline=train_pipeline,
    ),
)
reward_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SceneSemanticDataset',
        data_root=data_root,
        ann_file='annotations/panoptic_reward.json',
        data_prefix=dict(img='reward/', seg='annotations/panoptic_reward/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SceneSemanticDataset',
        data_root=data_root,
        ann_file='annotations/panoptic_test.json',
        data_prefix=dict(img='test/', seg='annotations/panoptic_test/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_dataloader = reward_dataloader

# Edges of images as small as these are near within 2 pixels.
reward_evaluator = dict(
    type='SegmentationQuality', tolerance=2, classes_of='ground_truth'
)
val_evaluator = reward_evaluator
test_evaluator = dict(type='SegmentationQuality', tolerance=2)

train_cfg = dict(type='IterBasedTrainLoop', max_iters=300, val_interval=300)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# No `end`: the curve spans the loop, however long it is.
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=1e-5, by_epoch=False),
]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.005, weight_decay=0.01),
)

default_hooks = dict(checkpoint=dict(interval=300))
randomness = dict(seed=0)
