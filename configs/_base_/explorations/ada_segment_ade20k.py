# The paper's search on the proxy split, one checkpoint an epoch.
_base_ = [
    './ada_segment.py',
    '../datasets/ade20k_panoptic_proxy.py',
    '../schedules/head_rule_2x.py',
]

train_dataloader = dict(
    _delete_=True,
    **dict(_base_.proxy_dataloader, batch_size=_base_.search_batch),
)
train_cfg = dict(
    _delete_=True,
    **_base_.search,
    num_rounds=24,
    reward_dataloader=_base_.reward_dataloader,
    reward_evaluator=_base_.reward_evaluator,
)
