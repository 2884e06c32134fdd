# The 1x schedule; what a loss weight does stays in the shared trunk, since
# the learning rate of head i is divided by weight i. That is all the paper
# says (mode='lr'); here momentum is corrected, too, where a weight changes, as
# between the rounds of a search.
_base_ = './schedule_1x.py'

optim_wrapper = dict(
    constructor='HeadRuleOptimWrapperConstructor',
    head_rule=dict(mode='corrected_lr', limits=(0.01, 100.0)),
)
