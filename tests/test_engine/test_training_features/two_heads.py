"""A model of three numbers, whose steps are worked out by hand."""

from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS

from mmada.engine.optimizers import head_rule_of
from tests.test_engine.test_optimizers import test_head_rule

START = [1.0, 3.0, 5.0]  # the trunk and the heads


def build(mode, **options):
    """Returns the model, with weights 2 and 4, and its optimizer wrapper.

    Args:
        mode: Of the head rule.
        **options: Entries of the optimizer wrapper's config.
    """
    model = MODELS.build(
        dict(
            type='LossWeightWrapper',
            detector=dict(type='TwoHeads'),
            objectives={'0': 'loss_0', '1': 'loss_1'},
            weights=[2.0, 4.0],
        )
    )
    config = dict(
        type='OptimWrapper',
        constructor='HeadRuleOptimWrapperConstructor',
        head_rule=dict(mode=mode),
        optimizer=dict(type='SGD', lr=0.1),
    )
    optim_wrapper = build_optim_wrapper(model, {**config, **options})
    head_rule_of(optim_wrapper).assign(test_head_rule.OWNERS)
    return model, optim_wrapper


step, values = test_head_rule.step, test_head_rule.values
