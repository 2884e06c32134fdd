# 12 rounds of 32 trainings of 1000 iterations, each from the initial state.
# Needs `reward_dataloader` and `reward_evaluator`, and says nothing of the
# metric.
_base_ = './sgd_poly.py'

train_cfg = dict(
    type='ParallelExplorationLoop',
    num_rounds=12,
    iters_per_round=1000,
    controller=dict(type='AutoSegLossSearch', num_replicas=32),
    target=dict(type='SurrogatePoints'),
)
