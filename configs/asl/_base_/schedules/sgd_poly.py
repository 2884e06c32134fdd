# As in the release of Auto Seg-Loss, 32 images a step.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.0005),
    # Every parameter whose name has `head` in it.
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
)

# No `end`: the curve spans the loop, however long it is.
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=1e-4, by_epoch=False),
]

auto_scale_lr = dict(enable=False, base_batch_size=32)
