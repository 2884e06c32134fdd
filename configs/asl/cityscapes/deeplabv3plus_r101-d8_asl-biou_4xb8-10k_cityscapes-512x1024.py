_base_ = '../_base_/retrain_cityscapes.py'

# Class 0 is the road: its edges count, too.
loss = dict(metric='BIoU', theta='{{$MMADA_THETA:voc_biou}}', drop_bg=False)
model = dict(
    decode_head=dict(loss_decode=loss),
    auxiliary_head=dict(loss_decode=loss),
)
