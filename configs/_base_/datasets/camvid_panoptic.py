# CamVid, 4 things and 7 stuff, as tools/convert_camvid_panoptic.py writes it.
# The rewards of a search are those of a sequence that it does not train on;
# val is for choices by hand, test for the final figures only.
data_root = '{{$MMADA_CAMVID:data/camvid_panoptic/}}'
dataset_type = 'CamVidPanopticDataset'
reward_ids = data_root + 'annotations/panoptic_train_reward.txt'

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

reward_evaluator = dict(
    type='PanopticQuality',
    ann_file=data_root + 'annotations/panoptic_train.json',
    seg_prefix=data_root + 'annotations/panoptic_train/',
    classes_of='ground_truth',
    # How noisy the rewards are, on draws of their images.
    resamples=100,
)
val_evaluator = dict(
    type='PanopticQuality',
    ann_file=data_root + 'annotations/panoptic_val.json',
    seg_prefix=data_root + 'annotations/panoptic_val/',
)
test_evaluator = dict(
    type='PanopticQuality',
    ann_file=data_root + 'annotations/panoptic_test.json',
    seg_prefix=data_root + 'annotations/panoptic_test/',
)
