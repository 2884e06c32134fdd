_base_ = '../_base_/search_cityscapes.py'

# Class 0 is the road: its edges count, too.
loss = dict(metric='BIoU', drop_bg=False)
model = dict(
    decode_head=dict(loss_decode=loss),
    auxiliary_head=dict(loss_decode=loss),
)
train_cfg = dict(reward_metric='semantic/BIoU')
