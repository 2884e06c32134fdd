# Generated scenes: `python tools/make_scenes.py data/scenes`.
# train feeds the gradients, reward (held out of it) the controller, test the
# final figures only.
data_root = '{{$MMADA_SCENES:data/scenes/}}'
dataset_type = 'ScenePanopticDataset'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmada.LoadPanopticAnnotations'),
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
        ann_file='annotations/panoptic_train.json',
        data_prefix=dict(img='train/', seg='annotations/panoptic_train/'),
        pipeline=train_pipeline,
    ),
)
reward_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/panoptic_reward.json',
        data_prefix=dict(img='reward/', seg='annotations/panoptic_reward/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/panoptic_test.json',
        data_prefix=dict(img='test/', seg='annotations/panoptic_test/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_dataloader = reward_dataloader

val_evaluator = dict(
    type='PanopticQuality',
    ann_file=data_root + 'annotations/panoptic_reward.json',
    seg_prefix=data_root + 'annotations/panoptic_reward/',
    classes_of='ground_truth',
)
# How noisy the rewards are, on draws of their images.
reward_evaluator = dict(val_evaluator, resamples=100)
test_evaluator = dict(
    type='PanopticQuality',
    ann_file=data_root + 'annotations/panoptic_test.json',
    seg_prefix=data_root + 'annotations/panoptic_test/',
)
