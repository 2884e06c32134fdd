# Baseline, trained on the proxy split.
_base_ = './cascade-panoptic_r50-dcn-fpn_ones_8xb2-1x_coco.py'

train_dataloader = dict(_delete_=True, **_base_.proxy_dataloader)
