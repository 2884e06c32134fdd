# As the config without _slope, but the reward sees whole trainings: eight
# replicas train twelve epochs each on the proxy split, and a fresh model
# trains with the weights that the slope between them points to.
_base_ = './cascade_panoptic_r50_1x.py'

train_cfg = dict(
    exploration=dict(
        controller=dict(
            _delete_=True,
            type='SlopeSearch',
            num_replicas=8,
            # Class, box and mask losses of the three stages together.
            groups=[[0, 3, 6], [1, 4, 7], [2, 5, 8], [9]],
        ),
    ),
)

# Weights from l^1, as the replicas had them.
custom_hooks = [dict(type='PolicyWeightingHook', mode='pred')]
