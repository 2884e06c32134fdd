_base_ = '../_base_/retrain_voc12aug.py'

loss = dict(metric='FWIoU', theta='{{$MMADA_THETA:voc_fwiou}}')
model = dict(
    decode_head=dict(loss_decode=loss),
    auxiliary_head=dict(loss_decode=loss),
)
