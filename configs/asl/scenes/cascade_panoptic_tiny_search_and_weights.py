# The shape of the semantic loss and the weights of all objectives in one run:
# first control points are searched for PQ of stuff, then Ada-Segment explores
# weights with the loss that was found as one of the objectives, then a fresh
# detector is trained with both.
#   python tools/make_scenes.py data/scenes
_base_ = '../../ada/cascade_panoptic_tiny_scenes.py'

model = dict(
    detector=dict(
        semantic_head=dict(
            type='MapPanopticFPNHead',
            loss_seg=dict(
                _delete_=True,
                type='LossSum',
                losses=[
                    _base_.model.detector.semantic_head.loss_seg,
                    dict(type='AutoSegLoss', metric='mIoU'),
                ],
            ),
        )
    )
)
train_cfg = dict(
    exploration=[
        dict(
            type='ParallelExplorationLoop',
            directory='search',
            num_rounds=6,
            iters_per_round=40,
            target=dict(type='SurrogatePoints'),
            controller=dict(type='AutoSegLossSearch', num_replicas=8),
            reward_dataloader=_base_.reward_dataloader,
            reward_evaluator=_base_.reward_evaluator,
            reward_metric='coco_panoptic/PQ_st',
            log_interval=20,
        ),
        _base_.train_cfg.exploration,
    ]
)
