# With modulated deformable convolutions in stages 3 to 5 of the backbone.
_base_ = ['./cascade_panoptic_r50_fpn.py']

model = dict(
    backbone=dict(
        dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
    )
)
