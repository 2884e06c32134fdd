# Small images for a search: three cities are held out of train for the
# rewards, the others feed the gradients, and val is not looked at. The files:
#   cd data/cityscapes
#   (cd leftImg8bit/train && ls */*.png) | sed 's/_leftImg8bit.png//' > all.txt
#   grep -E '^(hanover|jena|ulm)/' all.txt > train_reward.txt
#   grep -vE '^(hanover|jena|ulm)/' all.txt > train_search.txt
data_root = 'data/cityscapes'
data_prefix = dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')
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
# Whole images of 128x256: all are of one size, so that they make a batch.
reward_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(512, 128), keep_ratio=True),
    # Predictions get `ori_shape`: the small one, which is what is scored.
    dict(
        type='KeyMapper',
        mapping=dict(ori_shape='img_shape'),
        remapping=dict(ori_shape='ori_shape'),
    ),
    dict(type='PackSegInputs'),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CityscapesDataset',
        data_root=data_root,
        data_prefix=data_prefix,
        ann_file='train_search.txt',
        pipeline=train_pipeline,
    ),
)
reward_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CityscapesDataset',
        data_root=data_root,
        data_prefix=data_prefix,
        ann_file='train_reward.txt',
        test_mode=True,
        pipeline=reward_pipeline,
    ),
)
# Averages over the same classes for all replicas.
reward_evaluator = dict(type='SegmentationQuality', classes_of='ground_truth')
