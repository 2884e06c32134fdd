_base_ = '../_base_/retrain_voc12aug.py'

loss = dict(metric='gAcc', theta='{{$MMADA_THETA:voc_gacc}}')
model = dict(
    decode_head=dict(loss_decode=loss),
    auxiliary_head=dict(loss_decode=loss),
)
