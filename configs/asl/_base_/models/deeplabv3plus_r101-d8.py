# The same with ResNet-101, and with BatchNorm over all GPUs.
_base_ = './deeplabv3plus_r50-d8.py'

norm_cfg = dict(type='SyncBN', requires_grad=True)

model = dict(
    backbone=dict(
        depth=101,
        norm_cfg=norm_cfg,
        init_cfg=dict(
            type='Pretrained', checkpoint='open-mmlab://resnet101_v1c'
        ),
    ),
    decode_head=dict(norm_cfg=norm_cfg),
    auxiliary_head=dict(norm_cfg=norm_cfg),
)
