# As the config without _slope, but the reward sees whole trainings: ten
# replicas train twelve epochs each on the proxy split, and a fresh model
# trains with the weights that the slope between them points to. All losses of
# a kind are one objective. Those of the region proposals have a weight as
# well, so that no scale of the others stands against them.
_base_ = './cascade_panoptic_r50_1x.py'

model = dict(objectives='cascade_kinds_rpn')

train_cfg = dict(
    exploration=dict(
        # Five weights are four directions, for which eight replicas are two
        # each, one opposite the other. The others are the centre point and
        # the control, with all weights 1.
        controller=dict(_delete_=True, type='SlopeSearch', num_replicas=10),
    ),
)

# Weights from l^1, as the replicas had them.
custom_hooks = [dict(type='PolicyWeightingHook', mode='pred')]
