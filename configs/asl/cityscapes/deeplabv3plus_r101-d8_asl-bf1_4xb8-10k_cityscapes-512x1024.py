_base_ = '../_base_/retrain_cityscapes.py'

loss = dict(metric='BF1', theta='{{$MMADA_THETA:voc_bf1}}')
model = dict(
    decode_head=dict(loss_decode=loss),
    auxiliary_head=dict(loss_decode=loss),
)
