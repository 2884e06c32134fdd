# Small images for a search: train and aug feed the gradients, a half of train
# that is held out of it the rewards, and val is not looked at. The two halves:
#   cd data/VOCdevkit/VOC2012/ImageSets/Segmentation
#   awk 'NR % 2' train.txt > train_search.txt
#   awk 'NR % 2 == 0' train.txt > train_reward.txt
data_root = 'data/VOCdevkit/VOC2012'
crop_size = (128, 128)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        type='RandomResize',
        scale=(512, 128),
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
    ),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
reward_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(512, 128), keep_ratio=True),
    dict(
        type='CenterCrop',
        crop_size=crop_size,
        auto_pad=True,
        pad_cfg=dict(type='Pad', pad_val=dict(img=0, seg=255)),
    ),
    # Predictions get `ori_shape`: that of the crop, which is what is scored.
    dict(
        type='KeyMapper',
        mapping=dict(ori_shape='img_shape'),
        remapping=dict(ori_shape='ori_shape'),
    ),
    dict(type='PackSegInputs'),
]

train_part = dict(
    type='PascalVOCDataset',
    data_root=data_root,
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
    ann_file='ImageSets/Segmentation/train_search.txt',
    pipeline=train_pipeline,
)
aug_part = dict(
    type='PascalVOCDataset',
    data_root=data_root,
    data_prefix=dict(
        img_path='JPEGImages', seg_map_path='SegmentationClassAug'
    ),
    ann_file='ImageSets/Segmentation/aug.txt',
    pipeline=train_pipeline,
)
train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='ConcatDataset', datasets=[train_part, aug_part]),
)
reward_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PascalVOCDataset',
        data_root=data_root,
        data_prefix=dict(
            img_path='JPEGImages', seg_map_path='SegmentationClass'
        ),
        ann_file='ImageSets/Segmentation/train_reward.txt',
        test_mode=True,
        pipeline=reward_pipeline,
    ),
)
# Averages over the same classes for all replicas.
reward_evaluator = dict(
    type='SegmentationQuality', background=0, classes_of='ground_truth'
)
