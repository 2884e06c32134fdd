# The Panoptic FPN beside it without its semantic head: a Mask R-CNN, three
# objectives.
_base_ = './panoptic_fpn_lite0.py'

model = dict(
    objectives='mask_rcnn',
    detector=dict(
        {
            key: value
            for key, value in _base_.model.detector.items()
            if key not in ('semantic_head', 'panoptic_fusion_head')
        },
        _delete_=True,
        type='MaskRCNN',
        test_cfg=dict(
            rpn=_base_.model.detector.test_cfg.rpn,
            # Precision counts detections of low scores as well.
            rcnn=dict(_base_.model.detector.test_cfg.rcnn, score_thr=0.05),
        ),
    ),
)
