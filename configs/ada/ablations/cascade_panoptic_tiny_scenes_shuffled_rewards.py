# The controller learns from the metrics of other replicas, so from noise; the
# replica that is passed on is the true best.
_base_ = '../cascade_panoptic_tiny_scenes.py'

train_cfg = dict(
    exploration=dict(
        controller=dict(
            _delete_=True,
            type='ShuffledRewards',
            controller=_base_.train_cfg.exploration.controller,
        )
    )
)
