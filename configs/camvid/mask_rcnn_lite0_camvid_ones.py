# Mask R-CNN on real images, three losses, all weights 1.
_base_ = [
    '../_base_/models/mask_rcnn_lite0.py',
    '../_base_/datasets/camvid_instances.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/schedule_camvid.py',
]
custom_imports = dict(imports=['mmada'], allow_failed_imports=False)

custom_hooks = [dict(type='EpochSeedHook')]
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=1, max_keep_ckpts=2),
)
randomness = dict(seed=0)
