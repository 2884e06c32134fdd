# ADE20K panoptic, 100 things and 50 stuff classes, in the folders of
# MMDetection's ade20k_panoptic, and its proxy split:
#   python tools/make_proxy_split.py \
#       data/ADEChallengeData2016/ade20k_panoptic_train.json --num-reward 2000
_base_ = './coco_panoptic_proxy.py'
dataset_type = 'ADE20KPanopticDataset'
data_root = 'data/ADEChallengeData2016/'
reward_ids = data_root + 'ade20k_panoptic_train_proxy_reward.txt'

# The paper says nothing of the size of images; this is MMDetection's.
resize = dict(type='Resize', scale=(2560, 640), keep_ratio=True)
train_pipeline = [
    resize if transform.type == 'Resize' else transform
    for transform in _base_.train_pipeline
]
test_pipeline = [
    resize if transform.type == 'Resize' else transform
    for transform in _base_.test_pipeline
]

train_set = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='ade20k_panoptic_train.json',
    data_prefix=dict(img='images/training/', seg='ade20k_panoptic_train/'),
)
val_set = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='ade20k_panoptic_val.json',
    data_prefix=dict(img='images/validation/', seg='ade20k_panoptic_val/'),
)

train_dataloader = dict(dataset=dict(train_set, pipeline=train_pipeline))
proxy_dataloader = dict(
    dataset=dict(
        dataset=dict(train_set, pipeline=train_pipeline),
        ids_file=reward_ids,
    )
)
reward_dataloader = dict(
    dataset=dict(
        dataset=dict(train_set, pipeline=test_pipeline), ids_file=reward_ids
    )
)
val_dataloader = dict(dataset=dict(val_set, pipeline=test_pipeline))
test_dataloader = val_dataloader

reward_evaluator = dict(
    ann_file=data_root + train_set['ann_file'],
    seg_prefix=data_root + train_set['data_prefix']['seg'],
)
val_evaluator = dict(
    ann_file=data_root + val_set['ann_file'],
    seg_prefix=data_root + val_set['data_prefix']['seg'],
)
test_evaluator = val_evaluator
