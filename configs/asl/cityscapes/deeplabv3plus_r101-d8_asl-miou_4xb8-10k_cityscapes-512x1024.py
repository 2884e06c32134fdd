_base_ = '../_base_/retrain_cityscapes.py'

loss = dict(metric='mIoU', theta='{{$MMADA_THETA:voc_miou}}')
model = dict(
    decode_head=dict(loss_decode=loss),
    auxiliary_head=dict(loss_decode=loss),
)
