# BOHB's search for static weights, as costly as Ada-Segment's.
_base_ = './cascade-panoptic_r50-dcn-fpn_ada-segment-search_8xb2-1x_coco.py'

train_cfg = dict(
    # Of 8 x 18 slots some 100 epochs are trained: poor candidates end early,
    # and none begins that could not end.
    num_rounds=18,
    controller=dict(
        _delete_=True,
        type='BohbSearch',
        num_replicas=8,
        rounds_per_training=12,
    ),
)
