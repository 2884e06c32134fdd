# COCO and its proxy split: some images of train2017 are held out to reward a
# search, the others are the search's training set. The list of the first:
#   python tools/make_proxy_split.py \
#       data/coco/annotations/panoptic_train2017.json --num-reward 10000
_base_ = './coco_panoptic.py'
reward_ids = (
    _base_.data_root + 'annotations/panoptic_train2017_proxy_reward.txt'
)

# In place of train_dataloader.
proxy_dataloader = dict(
    _base_.train_dataloader,
    dataset=dict(
        type='ImageSubset',
        dataset=_base_.train_dataloader.dataset,
        ids_file=reward_ids,
        keep='others',
    ),
)

reward_dataloader = dict(
    _base_.val_dataloader,
    dataset=dict(
        type='ImageSubset',
        dataset=dict(
            _base_.val_dataloader.dataset,
            ann_file=_base_.train_dataloader.dataset.ann_file,
            data_prefix=_base_.train_dataloader.dataset.data_prefix,
        ),
        ids_file=reward_ids,
        keep='listed',
    ),
)
reward_evaluator = dict(
    type='PanopticQuality',
    ann_file=_base_.data_root + _base_.train_dataloader.dataset.ann_file,
    seg_prefix=_base_.data_root
    + _base_.train_dataloader.dataset.data_prefix.seg,
    classes_of='ground_truth',  # the same for all replicas
    resamples=100,  # how noisy the rewards are
)
