"""Auto Seg-Loss's search: rounds, failures and what it finds."""

from __future__ import annotations

import re
from statistics import median

import pytest
import torch
from torch import Tensor

from mmada.controllers import AutoSegLossSearch, Start
from mmada.controllers.auto_seg_loss.ppo import MeanLearner

LOSSES = torch.ones(2)
NAN = float('nan')


def search(**changes) -> AutoSegLossSearch:
    options = dict(action_size=3, num_rounds=12, num_replicas=8, baseline='mu')
    return AutoSegLossSearch(**(options | changes))


def observe(controller: AutoSegLossSearch, *metrics: float):
    return controller.observe(torch.tensor(metrics), None)


def test_replicas_start_from_the_initial_state() -> None:
    assert AutoSegLossSearch.start is Start.INITIAL


def test_the_first_action_of_a_round_is_the_mean() -> None:
    controller = search(initial=[0.25, 1 / 3, 0.5])
    for _ in range(3):
        mean, actions = controller.mean_action, controller.propose(LOSSES)
        assert torch.equal(actions[0], mean)
        assert (actions[1:] != mean).all()
        observe(controller, *range(8))
    assert controller.mean_action.tolist() != [0.25, 1 / 3, 0.5]


def test_with_the_mean_as_baseline_all_actions_are_drawn() -> None:
    controller = search(baseline='mean')
    assert (controller.propose(LOSSES) != controller.mean_action).all()


@pytest.mark.parametrize(('count', 'drawn'), [(31, True), (32, False)])
def test_the_baseline_goes_by_the_number_of_replicas(count, drawn) -> None:
    """The mean trains with as many as the releases have, from 32 on."""
    controller = search(num_replicas=count, baseline=None)
    first = controller.propose(LOSSES)[0]
    assert torch.equal(first, controller.mean_action) is not drawn


def test_a_search_keeps_the_baseline_that_it_began_with() -> None:
    """Also one that began when another one was the default."""
    begun = search(baseline='mu')
    begun.propose(LOSSES)
    observe(begun, *range(8))
    resumed = search(baseline=None)
    for _ in range(2):  # what was taken over is kept, too
        resumed.load_state_dict(begun.state_dict())
        for controller in (begun, resumed):
            actions = controller.propose(LOSSES)
            assert torch.equal(actions[0], controller.mean_action)
            observe(controller, *range(8))
        assert torch.equal(begun.mean_action, resumed.mean_action)
        begun = resumed
        resumed = search(baseline=None)


def test_a_baseline_that_was_asked_for_is_kept_to() -> None:
    state = search(baseline='mu').state_dict()
    with pytest.raises(ValueError, match="baseline was 'mu' and is 'mean'"):
        search(baseline='mean').load_state_dict(state)


def test_rewards_are_differences_from_the_first_replica() -> None:
    controller = search(num_replicas=3)
    controller.propose(LOSSES)
    result = observe(controller, 50.0, 52.0, 47.0)
    assert result.rewards.tolist() == pytest.approx([0, 0.02, -0.03])
    assert result.updated and result.best == 1
    assert result.info['baseline_valid'] == 1


def test_a_diverged_replica_is_left_out_of_the_update() -> None:
    controller = search(num_replicas=4, updates=1)
    actions = controller.propose(LOSSES)
    result = observe(controller, 50.0, 52.0, 47.0, NAN)
    assert result.info['num_valid'] == 3 and result.updated
    # At a mean of one half the density's slope is proportional to the
    # offset, and the first step of Adam knows its sign alone.
    pulls = 2 * (actions[1] - 0.5) - 3 * (actions[2] - 0.5)
    moved = controller.mean_action - 0.5
    assert torch.equal(moved.sign(), pulls.sign())


def test_an_update_averages_over_valid_replicas_alone() -> None:
    """The mean's size matters as soon as Adam compares it with another."""
    controller = search(num_replicas=6, updates=3)
    mean = torch.full((3,), 0.5, dtype=torch.float64)
    policy = MeanLearner(mean, sigma=0.2, lr=0.2, updates=3, clip=0.2)
    for failed in (4, 0):
        actions = controller.propose(LOSSES)
        metrics = 50.0 + torch.arange(6)
        metrics[6 - failed :] = torch.nan
        valid = metrics.isfinite()
        rewards = 0.01 * (metrics - 50).double()[valid]
        policy.update(actions[valid], rewards, 1.0)
        controller.observe(metrics, None)
    assert torch.equal(controller.mean_action, policy.mean)


def test_how_badly_a_diverged_replica_failed_is_not_asked() -> None:
    means = []
    for metric in (NAN, float('-inf'), float('inf')):
        controller = search(num_replicas=4)
        controller.propose(LOSSES)
        result = observe(controller, 50.0, 52.0, 47.0, metric)
        assert result.best == 1
        means.append(controller.mean_action)
    assert torch.equal(means[0], means[1]) and torch.equal(means[0], means[2])


def test_without_the_means_metric_the_average_is_the_baseline() -> None:
    controller = search(num_replicas=3)
    controller.propose(LOSSES)
    result = observe(controller, NAN, 52.0, 48.0)
    assert result.rewards.tolist() == pytest.approx([0, 0.02, -0.02])
    assert result.updated and result.info['baseline_valid'] == 0


def test_a_single_valid_replica_teaches_nothing() -> None:
    controller = search(num_replicas=3)
    mean = controller.mean_action
    controller.propose(LOSSES)
    result = observe(controller, NAN, 52.0, NAN)
    assert result.best == 1 and not result.updated
    assert '1 of 3 replicas are valid' in result.reason
    assert torch.equal(controller.mean_action, mean)


def test_a_round_without_survivors_is_tried_with_other_actions() -> None:
    controller = search(num_replicas=3)
    first = controller.propose(LOSSES)
    assert observe(controller, NAN, NAN, NAN).best == -1
    second = controller.propose(LOSSES)
    assert torch.equal(first[0], second[0])
    assert (first[1:] != second[1:]).all()


def test_the_best_action_is_that_of_all_rounds() -> None:
    controller = search(num_replicas=3)
    first = controller.propose(LOSSES)
    observe(controller, 50.0, 53.0, 47.0)
    controller.propose(LOSSES)
    observe(controller, 50.0, 52.0, NAN)
    assert torch.equal(controller.best_action, first[1])
    assert controller.best_metric == 53


def distance(initial: Tensor, star: Tensor, seed: int, baseline) -> float:
    """How far the mean is from the best action after twelve rounds."""
    controller = search(
        action_size=len(star),
        num_replicas=32,
        initial=initial.tolist(),
        seed=seed,
        baseline=baseline,
        retrain=False,
    )
    for _ in range(12):
        actions = controller.propose(LOSSES)
        metrics = -100 * (actions - star).square().sum(-1)
        controller.observe(metrics, None)
    return float((controller.mean_action - star).norm())


@pytest.mark.parametrize('baseline', ['mu', 'mean'])
def test_the_mean_moves_to_the_best_action(baseline) -> None:
    """In most searches: rounding can decide where a single one ends.

    PPO clips each ratio or not, so with one sample as the baseline the last
    bits of a sum, which depend on the processor, can move the end by a
    quarter of the way.
    """
    initial = torch.tensor([0.15, 0.85, 0.2, 0.8], dtype=torch.float64)
    star = torch.tensor([0.5, 0.45, 0.6, 0.4], dtype=torch.float64)
    before = float((initial - star).norm())
    after = [distance(initial, star, seed, baseline) for seed in range(9)]
    assert before > 0.75 and median(after) < 0.35 * before


def test_near_a_border_the_mean_goes_to_the_border() -> None:
    """The width is fixed, so more truncation is what narrows a policy.

    Around 0 lie the samples that are closest to 0.15 on average.
    """
    start = torch.tensor([0.3], dtype=torch.float64)
    star = torch.tensor([0.15], dtype=torch.float64)
    for seed in range(3):
        assert distance(start, star, seed, 'mean') > 0.14


def logits(decay: str) -> list[Tensor]:
    controller = search(updates=1, num_rounds=4, lr_decay=decay)
    found = [controller.mean_action.logit()]
    for _ in range(2):
        controller.propose(LOSSES)
        observe(controller, *range(8))
        found.append(controller.mean_action.logit())
    return found


def test_linear_decay_slows_the_steps_down() -> None:
    # 1 - t / (T + 1) with T = 4: the first step is the same, so that the
    # second one has the same moments, and four fifths of the length.
    constant, linear = logits('constant'), logits('linear')
    assert torch.equal(constant[1], linear[1])
    torch.testing.assert_close(
        linear[2] - linear[1], 0.8 * (constant[2] - constant[1])
    )


def test_percent_and_fractions_are_one_search() -> None:
    results = []
    for unit, scale in ((100.0, 0.01), (1.0, 1.0)):
        controller = search(reward_scale=scale)
        for _ in range(3):
            actions = controller.propose(LOSSES)
            controller.observe(unit * actions.sum(-1), None)
        results.append(controller.mean_action)
    torch.testing.assert_close(*results, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('action_size', 0),
        ('num_replicas', 1),
        ('baseline', 'median'),
        ('lr_decay', 'cosine'),
        ('reward_scale', -1),
        ('initial', 0.5),
        ('initial', 'abc'),
        ('initial', 5),
        ('initial', [0.5] * 2),
        ('initial', [0.0, *[0.5] * 2]),
        ('initial', [1.0, *[0.5] * 2]),
        ('initial', [float('nan'), *[0.5] * 2]),
    ],
)
def test_bad_options_are_refused(name, value) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{re.escape(str(value))}'):
        search(**{name: value})


def played(controller: AutoSegLossSearch, *rounds: tuple) -> list[Tensor]:
    actions = []
    for metrics in rounds:
        actions.append(controller.propose(LOSSES))
        observe(controller, *metrics)
    return actions


def test_the_last_round_trains_the_best_actions_once_more() -> None:
    """9, 7 and 3, 8 are 6 and 7.5 in the mean."""
    controller = search(num_rounds=3, num_replicas=2)
    first, second = played(controller, (5.0, 9.0), (7.0, 6.0))
    mean = controller.mean_action
    assert controller.best_metric == 9
    again = controller.propose(LOSSES)
    assert torch.equal(again, torch.stack([first[1], second[0]]))
    result = observe(controller, 3.0, 8.0)
    assert result.best == 1 and result.updated
    assert torch.equal(controller.found_action, second[0])
    assert controller.best_metric == 7.5
    assert torch.equal(controller.mean_action, mean)


def test_few_that_are_left_are_trained_as_often_as_there_are_replicas() -> (
    None
):
    controller = search(num_rounds=2, num_replicas=3)
    (first,) = played(controller, (NAN, 4.0, 6.0))
    again = controller.propose(LOSSES)
    assert torch.equal(again, first[[2, 1, 2]])
    observe(controller, 0.0, NAN, 1.0)
    assert torch.equal(controller.found_action, first[2])
    assert controller.best_metric == 3.5


def test_a_last_round_without_survivors_is_tried_again() -> None:
    controller = search(num_rounds=2, num_replicas=2)
    played(controller, (5.0, 9.0))
    again = controller.propose(LOSSES)
    result = observe(controller, NAN, NAN)
    assert result.best == -1 and not result.updated and result.reason
    assert controller.best_metric == 9
    assert torch.equal(controller.propose(LOSSES), again)


def test_the_only_round_is_one_of_the_search() -> None:
    controller = search(num_rounds=1)
    played(controller, tuple(range(8)))
    assert controller.best_metric == 7


def test_as_released_no_action_is_trained_again() -> None:
    controller = search(num_rounds=2, num_replicas=2, retrain=False)
    first, second = played(controller, (5.0, 9.0), (1.0, 2.0))
    assert torch.equal(controller.found_action, first[1])
    assert not torch.equal(second[1], first[1])
    with pytest.raises(ValueError, match="`retrain` .* Found 'no'"):
        search(retrain='no')


def test_a_search_that_began_without_a_second_training_ends_so() -> None:
    begun = search(num_rounds=2, num_replicas=2, retrain=False)
    played(begun, (5.0, 9.0))
    state = begun.state_dict()
    del state['identity']['retrain']  # as of an earlier version
    resumed = search(num_rounds=2, num_replicas=2)
    resumed.load_state_dict(state)
    (found,) = played(resumed, (1.0, 2.0))
    assert torch.equal(found, played(begun, (1.0, 2.0))[0])
    assert 'retrain' not in resumed.state_dict()['identity']
    with pytest.raises(ValueError, match='retrain was None and is True'):
        search(num_rounds=2, num_replicas=2, retrain=True).load_state_dict(
            state
        )
