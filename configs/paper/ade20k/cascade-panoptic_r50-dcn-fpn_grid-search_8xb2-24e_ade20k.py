# Baseline-G's search on ADE20K.
_base_ = './cascade-panoptic_r50-dcn-fpn_ada-segment-search_8xb2-24e_ade20k.py'

train_cfg = dict(
    num_rounds=120,  # of an epoch: five times four trainings
    controller=dict(
        _delete_=True,
        type='GridSearch',
        num_replicas=4,
        rounds_per_training=24,
        groups=[list(range(9)), [9]],  # detection; segmentation
        values=[[0.5, 0.75, 1.0, 1.5], [0.1, 0.25, 0.5, 0.75, 1.0]],
    ),
)
