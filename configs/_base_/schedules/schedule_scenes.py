# A short training of the small detector; one cosine curve, no warm-up since
# it starts from a pretrained state.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=6, val_interval=6)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        by_epoch=True,
        convert_to_iter_based=True,
        eta_min=0,
    ),
]

# Adam's step does not depend on the size of a gradient: a common scale of all
# losses drops out and what is left is their balance.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='HeadRuleOptimWrapperConstructor',
    head_rule=dict(mode='grad'),
    optimizer=dict(type='AdamW', lr=0.003, weight_decay=0.01),
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=dict(lr_mult=1.0),
            neck=dict(lr_mult=1.0),
        )
    ),
)
