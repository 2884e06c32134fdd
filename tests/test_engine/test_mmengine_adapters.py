"""What the adapters rely on holds in the MMEngine and torch installed here."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import distributed

from mmada.engine import mmengine_adapters as adapters
from tests.support import toy


class Calls(Hook):
    """Notes the iterations in which it is called, and its run's state."""

    def __init__(self, begin=None):
        self.iterations = []
        self.resumed = None
        self.begin = begin

    def before_train(self, runner):
        if self.begin is not None:
            adapters.set_progress(runner.train_loop, *self.begin)

    def after_load_checkpoint(self, runner, checkpoint):
        self.resumed = adapters.is_resumed(runner)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.iterations.append(runner.iter)

    def before_val(self, runner):
        self.iterations.append('validation')


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Checkpoint of a training of three epochs of three iterations."""
    work_dir = tmp_path_factory.mktemp('trained')
    toy.runner(work_dir).train()
    return work_dir / 'epoch_2.pth'


def built(work_dir, **options):
    """Returns a runner with its loop, optimizer and model ready."""
    runner = toy.runner(work_dir, **options)
    loop = runner.build_train_loop(runner.cfg.train_cfg)
    adapters.set_train_loop(runner, loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.cfg.optim_wrapper)
    runner.optim_wrapper.initialize_count_status(runner.model, 0, 9)
    return runner


@pytest.mark.parametrize('resume', [True, False])
def test_a_hook_knows_whether_its_run_is_resumed(tmp_path, trained, resume):
    runner = toy.runner(tmp_path, load_from=str(trained), resume=resume)
    assert adapters.is_resumed(runner) is resume
    calls = Calls()
    runner.register_hook(calls)
    runner.train()
    assert calls.resumed is resume
    assert calls.iterations == list(range(6 if resume else 0, 9))


def test_a_run_without_a_checkpoint_may_be_a_resumed_one(tmp_path):
    assert adapters.is_resumed(toy.runner(tmp_path, resume=True))


@pytest.mark.parametrize(('configured', 'seed'), [(None, 5), (7, 7)])
def test_a_seed_is_taken_over_where_the_config_has_none(
    tmp_path, configured, seed
):
    runner = toy.runner(tmp_path, randomness=dict(seed=configured))
    adapters.take_over_seed(runner, 5)
    assert runner.seed == seed
    if configured is None:  # the generators follow
        drawn = torch.rand(3)
        assert torch.equal(
            drawn, torch.rand(3, generator=torch.manual_seed(5))
        )


def test_a_runner_keeps_the_dataloader_that_it_was_given(tmp_path):
    runner = built(tmp_path)
    found = adapters.train_dataloader_of(runner)
    assert found == runner.cfg.train_dataloader
    given = runner.train_dataloader
    other = Runner(
        runner.model,
        str(tmp_path),
        train_dataloader=given,
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=runner.optim_wrapper,
        experiment_name='given_objects',
    )
    assert adapters.train_dataloader_of(other) is given


def test_the_runner_has_the_progress_of_the_loop_that_is_set(tmp_path):
    runner = built(tmp_path)
    other = runner.build_train_loop(
        dict(type='EpochBasedTrainLoop', max_epochs=5)
    )
    adapters.set_progress(other, 3, 9)
    adapters.set_train_loop(runner, other)
    assert runner.train_loop is other
    assert (runner.epoch, runner.iter) == (3, 9)
    assert (runner.max_epochs, runner.max_iters) == (5, 15)
    runner.save_checkpoint(
        str(tmp_path), 'now.pth', save_param_scheduler=False
    )
    state = torch.load(tmp_path / 'now.pth', weights_only=False)
    # It counts the epoch that is in progress.
    assert (state['meta']['epoch'], state['meta']['iter']) == (4, 9)


@pytest.mark.parametrize(
    'loop',
    [
        dict(type='EpochBasedTrainLoop', max_epochs=3),
        dict(type='IterBasedTrainLoop', max_iters=9),
    ],
)
def test_a_loop_goes_on_from_the_progress_that_is_set(tmp_path, loop):
    runner = toy.runner(tmp_path, train_cfg=loop)
    calls = Calls(begin=(2, 6))
    runner.register_hook(calls)
    runner.train()
    assert calls.iterations == [6, 7, 8]


@pytest.mark.parametrize('count', [1, 3])
def test_the_optimizer_steps_once_in_so_many_iterations(tmp_path, count):
    runner = built(
        tmp_path,
        optim_wrapper=dict(toy.OPTIM_WRAPPER, accumulative_counts=count),
    )
    wrapper = runner.optim_wrapper
    assert adapters.accumulated_iterations(wrapper) == count
    parameter = next(runner.model.parameters())
    stepped = []
    for _ in range(6):
        before = parameter.detach().clone()
        wrapper.update_params(parameter.sum())
        stepped.append(not torch.equal(before, parameter))
    assert stepped == [i % count == 0 for i in range(1, 7)]


def test_a_scaled_step_that_was_left_half_way_can_be_done_again():
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scaler = torch.amp.GradScaler('cpu')
    scaler.scale(2 * parameter.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match='already been called'):
        scaler.unscale_(optimizer)
    adapters.end_scaled_step(SimpleNamespace(loss_scaler=scaler))
    scaler.unscale_(optimizer)
    adapters.end_scaled_step(SimpleNamespace())


def test_the_model_is_asked_to_initialize_its_weights(tmp_path, monkeypatch):
    asked = []
    runner = toy.runner(tmp_path)
    monkeypatch.setattr(
        type(runner.model), 'init_weights', lambda model: asked.append(model)
    )
    adapters.initialize_weights(runner)
    assert asked == [runner.model]


@pytest.mark.parametrize('kind', [dict, tuple])
def test_losses_are_those_of_the_forward_pass(tmp_path, kind):
    runner = toy.runner(tmp_path)
    model = runner.model.eval()
    data = dict(x=torch.ones(2, 4), y=torch.ones(2, 3))
    expected = model(**data, mode='loss')
    given = data if kind is dict else kind(data.values())
    found = adapters.forward_losses(model, given)
    assert set(found) == set(expected) >= {'loss_rpn', 'loss_a', 'loss_b'}
    assert torch.equal(found['loss_a'], expected['loss_a'])


@HOOKS.register_module()
class NotedCheckpointHook(adapters.OverridableCheckpointHook):
    """Notes what it saves."""

    def before_train(self, runner):
        super().before_train(runner)
        self.noted = runner.noted_checkpoints = []

    def save_step_checkpoint(self, runner, step, meta):
        super().save_step_checkpoint(runner, step, meta)
        self.noted.append((step, dict(meta)))

    def save_best_checkpoint(self, runner, metrics):
        super().save_best_checkpoint(runner, metrics)
        self.noted.append(('best', dict(metrics)))


def test_all_checkpoints_are_saved_where_a_hook_can_override_it(tmp_path):
    """Without an override that saves there would be none at all."""
    runner = toy.runner(
        tmp_path,
        default_hooks=dict(
            checkpoint=dict(
                type='NotedCheckpointHook',
                interval=1,
                save_best='toy/score',
                rule='greater',
            )
        ),
        train_cfg=dict(
            type='EpochBasedTrainLoop', max_epochs=2, val_interval=2
        ),
        val_dataloader=toy.dataloader(offset=1, shuffle=False),
        val_evaluator=dict(type='ToyMetric'),
        val_cfg=dict(type='ValLoop'),
    )
    runner.train()
    steps = [step for step, _ in runner.noted_checkpoints]
    assert steps == [1, 2, 2, 'best']  # the best one under its step as well
    meta = runner.noted_checkpoints[0][1]
    assert (meta['epoch'], meta['iter']) == (1, 3)
    assert set(runner.noted_checkpoints[-1][1]) == {'toy/score'}
    names = sorted(path.name for path in tmp_path.glob('*.pth'))
    assert names == [
        'best_toy_score_epoch_2.pth',
        'epoch_1.pth',
        'epoch_2.pth',
    ]


@pytest.mark.parametrize(
    'method', ['save_step_checkpoint', 'save_best_checkpoint']
)
def test_what_is_overridden_saves_nothing(tmp_path, method, monkeypatch):
    monkeypatch.setattr(NotedCheckpointHook, method, lambda *_: None)
    test = test_all_checkpoints_are_saved_where_a_hook_can_override_it
    with pytest.raises(AssertionError):
        test(tmp_path)
    best = 'best' if method == 'save_step_checkpoint' else 'epoch'
    assert all(path.name.startswith(best) for path in tmp_path.glob('*.pth'))


def test_what_names_no_group_acts_in_the_one_that_is_default():
    assert adapters.CAN_SWAP
    store = distributed.HashStore()
    distributed.init_process_group('gloo', store=store, rank=0, world_size=1)
    try:
        world, group = distributed.group.WORLD, distributed.new_group([0])
        assert adapters.swap_default_group(group) is world
        assert distributed.group.WORLD is group
        distributed.all_reduce(torch.ones(1))  # acts
        assert adapters.swap_default_group(world) is group
        assert distributed.group.WORLD is world
    finally:
        distributed.destroy_process_group()


def test_a_compiled_graph_is_passed_backwards_several_times(monkeypatch):
    config = pytest.importorskip('torch._functorch.config')
    if hasattr(config, 'donated_buffer'):
        monkeypatch.setattr(config, 'donated_buffer', True)
    adapters.keep_compiled_buffers()
    function = torch.compile(
        lambda x: (x.sin() * x).sum(), backend='aot_eager'
    )
    x = torch.ones(3, requires_grad=True)
    loss = function(x)
    first, second = (
        torch.autograd.grad(loss, x, retain_graph=True)[0] for _ in range(2)
    )
    assert torch.equal(first, second)


def test_a_torch_that_keeps_buffers_anyway_is_left_alone(monkeypatch):
    """Its config refuses an option that it does not know."""
    import torch._functorch.config

    monkeypatch.setattr(torch._functorch, 'config', object())
    adapters.keep_compiled_buffers()
