_base_ = '../_base_/search_voc12aug.py'

loss = dict(metric='mIoU')
model = dict(
    decode_head=dict(loss_decode=loss),
    auxiliary_head=dict(loss_decode=loss),
)
train_cfg = dict(reward_metric='semantic/mIoU')
