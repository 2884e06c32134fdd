import copy
import multiprocessing
import pickle

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner.checkpoint import (
    _load_checkpoint_to_model,
    get_state_dict,
)
from torch import nn

from mmada.models import (
    LossWeightWrapper,
    ObjectiveError,
    inner_model,
    weigh_losses,
)
from tests.support import toy
from tests.support.tiny_two_stage import FASTER_RCNN


def batch():
    rows = [toy.ToyDataset()[i] for i in range(4)]
    return dict(x=[r['x'] for r in rows], y=[r['y'] for r in rows])


def build(**options):
    torch.manual_seed(0)
    return MODELS.build({**copy.deepcopy(toy.MODEL), **options}).eval()


def build_bare():
    torch.manual_seed(0)
    return MODELS.build(copy.deepcopy(toy.MODEL['detector'])).eval()


def losses_of(model):
    return model(**batch(), mode='loss')


def test_ones_give_the_bare_total_and_gradients_to_the_bit():
    wrapped, bare = build(), build_bare()
    total, log_vars = wrapped.parse_losses(losses_of(wrapped))
    bare_total, bare_vars = bare.parse_losses(losses_of(bare))
    assert torch.equal(total, bare_total)
    for name, value in bare_vars.items():
        assert torch.equal(log_vars[name], value)
    total.backward()
    bare_total.backward()
    for (name, p), q in zip(
        wrapped.named_parameters(), bare.parameters(), strict=True
    ):
        assert torch.equal(p.grad, q.grad), name


def test_weights_scale_their_objective_alone():
    model = build(weights=dict(b=3.0))
    raw = losses_of(model)
    a, rpn = raw['loss_a'], raw['loss_rpn']
    b = sum(part.mean() for part in raw['loss_b'])
    total, log_vars = model.parse_losses(raw)
    torch.testing.assert_close(total, rpn + a + 3 * b)
    assert torch.equal(log_vars['loss'], total)
    torch.testing.assert_close(log_vars['loss_b'], b)
    torch.testing.assert_close(log_vars['weighted.loss_b'], 3 * b)
    assert 'weighted.loss_rpn' not in log_vars
    assert log_vars['acc'] == 50


def test_a_loss_that_is_missing_in_an_iteration_is_left_out():
    model = build(weights=[2.0, 3.0])
    total, log_vars = model.parse_losses(dict(loss_a=torch.tensor(1.5)))
    assert total == 3.0
    assert 'loss_b' not in log_vars


def test_no_loss_at_all_and_no_tensor_are_errors():
    model = build()
    with pytest.raises(ObjectiveError, match='no loss; it produced: acc'):
        model.parse_losses(dict(acc=torch.tensor(1.0)))
    with pytest.raises(TypeError, match='loss_a'):
        model.parse_losses(dict(loss_a=1.0))


@pytest.mark.parametrize('weights', [None, {}])
def test_a_model_with_a_single_loss_of_that_name_trains_as_it_is(weights):
    """As the examples of MMEngine."""
    model = build(objectives='auto', weights=weights)
    total, log_vars = model.parse_losses(dict(loss=torch.tensor(2.0)))
    assert total == log_vars['loss'] == 2
    with pytest.raises(ObjectiveError, match="Found none but 'loss'"):
        model.objective_weights.bind([])


def test_a_loss_with_the_name_of_the_sum_keeps_weight_one():
    model = build(weights=[2.0, 3.0])
    losses = dict(loss=torch.tensor(1.0), loss_a=torch.tensor(5.0))
    total, log_vars = model.parse_losses(losses)
    assert total == 1 + 2 * 5
    assert log_vars['loss_a'] == 5
    assert 'weighted.loss' not in log_vars


def test_weights_of_a_single_loss_are_refused():
    model = build(objectives='auto', weights=dict(loss=2.0))
    with pytest.raises(ObjectiveError, match='nothing to be weighted against'):
        model.parse_losses(dict(loss=torch.tensor(2.0)))


def test_a_weight_of_zero_switches_an_objective_off():
    model = build(weights=[0.0, 1.0])
    raw = losses_of(model)
    total, _ = model.parse_losses(raw)
    rest = raw['loss_rpn'] + sum(part.mean() for part in raw['loss_b'])
    torch.testing.assert_close(total, rest)


def test_auto_makes_every_loss_an_objective_after_binding():
    model = build(objectives='auto')
    weights = model.objective_weights
    with pytest.raises(ObjectiveError, match='auto'):
        _ = weights.objectives
    model.parse_losses(losses_of(model))  # the bare sum until then
    weights.bind(['loss_rpn', 'loss_a', 'loss_b'])
    assert weights.objectives.names == ('loss_rpn', 'loss_a', 'loss_b')
    assert weights.values == (1.0, 1.0, 1.0)


def test_weights_bind_auto_to_the_first_losses():
    model = build(objectives='auto', weights=dict(loss_a=5.0))
    raw = losses_of(model)
    rest = raw['loss_rpn'] + sum(part.mean() for part in raw['loss_b'])
    total, _ = model.parse_losses(raw)
    torch.testing.assert_close(total, rest + 5 * raw['loss_a'])
    assert model.objective_weights.values == (1.0, 5.0, 1.0)


def test_weights_of_a_loss_that_there_is_not_are_refused_with_auto():
    model = build(objectives='auto', weights=dict(loss_c=5.0))
    with pytest.raises(ObjectiveError, match="loss_b. Found 'loss_c'"):
        model.parse_losses(losses_of(model))


def test_a_late_objective_needs_no_loss_at_first():
    late = dict(pattern='loss_late', late=True)
    model = build(objectives=dict(a='loss_a', late=late), weights=[2.0, 3.0])
    model.objective_weights.bind(['loss_a', 'loss_b'])
    one = torch.tensor(1.0)
    assert model.parse_losses(dict(loss_a=one))[0] == 2
    assert model.parse_losses(dict(loss_a=one, loss_late=one))[0] == 5


@pytest.mark.parametrize('weights', [None, [2.0, 3.0]])
def test_an_empty_list_counts_as_absent(weights):
    model = build(weights=weights)
    seen = []
    model.objective_weights.reweigh = lambda found: (
        seen.append(sorted(found)) or [1.0, 1.0]
    )
    losses = dict(loss_a=torch.tensor(1.5), loss_b=[])
    total, log_vars = model.parse_losses(losses)
    assert total == 1.5
    assert seen == [[0]]
    assert log_vars['loss_b'] == 0  # as MMEngine logs it
    assert 'weighted.loss_b' not in log_vars


@MODELS.register_module()
class MeanOfLists(toy.ToyDetector):
    """Has a way of its own to make one number of a list."""

    def parse_losses(self, losses):
        means = {
            k: torch.stack([part.mean() for part in v]).mean()
            if isinstance(v, list)
            else v
            for k, v in losses.items()
        }
        total, log_vars = super().parse_losses(means)
        return total, {**log_vars, 'extra': torch.tensor(7.0)}


def test_the_detectors_own_sum_is_kept():
    model = build(detector=dict(type='MeanOfLists'), weights=[2.0, 3.0])
    raw = losses_of(model)
    total, log_vars = model.parse_losses(raw)
    b = sum(part.mean() for part in raw['loss_b']) / 2
    torch.testing.assert_close(
        total, raw['loss_rpn'] + 2 * raw['loss_a'] + 3 * b
    )
    torch.testing.assert_close(log_vars['weighted.loss_b'], 3 * b)
    assert log_vars['extra'] == 7


@MODELS.register_module()
class Busy(toy.ToyDetector):
    """Has names that others use as well, and steps of its own."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.module = nn.Linear(1, 1)
        self.weights = dict(cls=scale)
        self.teacher = [nn.Linear(1, 1)]  # a list: no submodule
        self.steps = 0

    def to(self, *args, **kwargs):
        self.teacher[0].to(*args, **kwargs)
        return super().to(*args, **kwargs)

    def train_step(self, data, optim_wrapper):
        self.steps += 1
        return super().train_step(data, optim_wrapper)


def test_the_weighted_model_is_the_detector():
    model = build(detector=dict(type='Busy', scale=2.0))
    assert isinstance(model, LossWeightWrapper)
    assert isinstance(model, Busy)
    assert type(model).__name__ == 'WeightedBusy'
    assert list(model.state_dict()) == list(Busy().state_dict())
    assert model.weights == dict(cls=2.0)
    assert inner_model(model) is model
    model.weights = 3  # the detector's own
    assert model.objective_weights.values == (1.0, 1.0)
    model.to('meta')
    assert model.teacher[0].weight.device.type == 'meta'
    with pytest.raises(AttributeError, match='nothing'):
        _ = model.nothing


def test_its_own_train_step_is_called():
    model = build(detector=dict(type='Busy'))
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    model.train_step(batch(), optim_wrapper)
    assert model.steps == 1


def test_a_built_detector_becomes_weighted_in_place():
    bare = build_bare()
    model = LossWeightWrapper(bare, dict(a='loss_a'))
    assert model is bare
    assert weigh_losses(model) is model
    assert weigh_losses(nn.DataParallel(model), dict(a='loss_a')) is model
    with pytest.raises(ValueError, match='`objectives` should be set once'):
        weigh_losses(model, dict(a='loss_b'))


def test_options_beside_the_detectors_config_are_the_detectors():
    own = dict(type='BaseDataPreprocessor', non_blocking=True)
    for given, expected in ((None, False), (own, True)):
        detector = dict(type='Preprocessing')
        if given:
            detector['data_preprocessor'] = given
        model = build(
            detector=detector,
            data_preprocessor=dict(type='BaseDataPreprocessor'),
        )
        assert model.data_preprocessor._non_blocking is expected


def test_a_type_takes_its_options_from_beside_it():
    model = build(detector='Busy', scale=3.0)
    assert isinstance(model, Busy)
    assert model.weights == dict(cls=3.0)


@MODELS.register_module()
class Necked(toy.ToyDetector):
    """Has to be told of its neck, also that there is none, as CornerNet."""

    def __init__(self, neck):
        super().__init__()
        self.neck = neck


def test_an_option_may_be_none():
    assert build(detector='Necked', neck=None).neck is None


def test_a_type_may_be_the_class_itself():
    assert build(detector=Busy, scale=3.0).weights == dict(cls=3.0)


@MODELS.register_module()
class Tracker(toy.ToyDetector):
    """Has an option that a weighted model has as well, as trackers do."""

    def __init__(self, detector=None):
        super().__init__()
        self.detector = detector


@pytest.mark.parametrize('kind', ['Tracker', Tracker])
def test_a_type_with_an_option_of_the_wrappers_name_needs_its_config(kind):
    with pytest.raises(ValueError, match="options of Tracker, .*'detector'"):
        build(detector=kind)
    model = build(detector=dict(type=kind, detector='own'))
    assert model.detector == 'own'


@MODELS.register_module()
class Preprocessing(toy.ToyDetector):
    """Takes a data preprocessor."""

    def __init__(self, data_preprocessor):
        super().__init__()
        self.data_preprocessor = MODELS.build(data_preprocessor)


def test_what_is_no_model_of_mmengine_is_refused():
    with pytest.raises(TypeError, match='BaseModel.*Found Linear'):
        LossWeightWrapper(nn.Linear(1, 1))


def test_a_detector_that_has_the_attribute_is_refused():
    bare = build_bare()
    bare.objective_weights = 1
    with pytest.raises(ValueError, match='ToyDetector: rename it'):
        LossWeightWrapper(bare)


@pytest.mark.parametrize(
    'copied', [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_is_weighted_by_numbers_of_its_own(copied):
    model = build(weights=[2.0, 3.0])
    model.objective_weights.reweigh = lambda _: [5.0, 5.0]
    other = copied(model)
    assert type(other) is type(model)
    toy.assert_same_state(other.state_dict(), model.state_dict())
    other.objective_weights.set([4.0, 3.0])
    assert model.objective_weights.values == (2.0, 3.0)
    raw = losses_of(other)
    a, rpn = raw['loss_a'], raw['loss_rpn']
    b = sum(part.mean() for part in raw['loss_b'])
    torch.testing.assert_close(other.parse_losses(raw)[0], rpn + 4 * a + 3 * b)


def total_of_pickled(content, queue):
    torch.manual_seed(0)
    model = pickle.loads(content)
    queue.put(model.parse_losses(losses_of(model))[0].item())


def test_a_spawned_process_gets_the_weighted_model():
    model = build(weights=[2.0, 3.0])
    expected = model.parse_losses(losses_of(model))[0].item()
    context = multiprocessing.get_context('spawn')
    queue = context.Queue()
    process = context.Process(
        target=total_of_pickled, args=(pickle.dumps(model), queue)
    )
    process.start()
    found = queue.get(timeout=120)
    process.join()
    assert found == pytest.approx(expected)


@pytest.mark.parametrize('read', [lambda m: m.state_dict(), get_state_dict])
def test_checkpoints_go_between_weighted_and_bare(read):
    for source, target in (
        (build(), build_bare()),
        (build_bare(), build()),
    ):
        for p in source.parameters():
            nn.init.normal_(p)
        state = read(source)
        assert list(state) == list(build_bare().state_dict())
        assert not any(target.load_state_dict(state, strict=True))
        toy.assert_same_state(target.state_dict(), source.state_dict())


@MODELS.register_module()
class Converting(toy.ToyDetector):
    """Reads the names of an older format."""

    def _load_from_state_dict(self, state_dict, prefix, *args):
        for name in [n for n in state_dict if n.startswith(f'{prefix}old.')]:
            new = prefix + name.removeprefix(f'{prefix}old.')
            state_dict[new] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, *args)


def test_conversions_at_load_time_are_the_detectors(caplog):
    model = build(detector=dict(type='Converting'))
    state = {f'old.{k}': v for k, v in build_bare().state_dict().items()}
    _load_checkpoint_to_model(model, dict(state_dict=state))
    assert 'missing' not in caplog.text
    toy.assert_same_state(model.state_dict(), build_bare().state_dict())


def test_a_two_stage_detector_starts_from_region_proposals():
    """By the conversion that mmdet's detectors do at load time."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = build(
            detector=ConfigDict(copy.deepcopy(FASTER_RCNN)),
            objectives=dict(rpn='loss_rpn_.*'),
        )
        state = {
            name.replace('rpn_head.', 'bbox_head.'): torch.ones_like(value)
            for name, value in model.state_dict().items()
            if not name.startswith('roi_head.')
        }
        _load_checkpoint_to_model(model, dict(state_dict=state))
        assert (model.rpn_head.rpn_cls.weight == 1).all()
        assert (model.backbone.conv1.weight == 1).all()


class Brief(toy.ToyDetector):
    """Logs the sum alone, makes copies and others like itself."""

    def parse_losses(self, losses):
        total, _ = super().parse_losses(losses)
        return total, dict(loss=total)

    def __deepcopy__(self, memo):
        kind = type(self)
        made = kind.__new__(kind)
        memo[id(self)] = made
        vars(made).update(copy.deepcopy(vars(self), memo))
        return made

    def another(self):
        return type(self)()


def test_a_detector_may_log_less_than_its_losses():
    model = weigh_losses(Brief(), toy.OBJECTIVES, [2.0, 3.0])
    losses = losses_of(model)
    _, logged = model.parse_losses(losses)
    assert logged['loss_a'] == losses['loss_a']
    assert not any(name.startswith('weighted.') for name in logged)


def test_a_detector_makes_copies_and_others_like_itself():
    model = weigh_losses(Brief(), toy.OBJECTIVES, [2.0, 3.0])
    copied, another = copy.deepcopy(model), model.another()
    assert type(copied) is type(another) is type(model)
    assert copied.objective_weights.values == (2.0, 3.0)
    torch.manual_seed(0)
    weighted, _ = another.parse_losses(losses_of(another))
    torch.manual_seed(0)
    bare, _ = Brief.parse_losses(another, losses_of(another))
    assert torch.equal(weighted, bare)  # nothing has set its weights


def test_a_copy_that_the_detector_describes_itself_is_its_own():
    class Described(toy.ToyDetector):
        def __reduce__(self):
            return Described, ()

    model = weigh_losses(Described(), toy.OBJECTIVES, [2.0, 3.0])
    assert type(copy.deepcopy(model)) is Described


def test_a_subclass_of_which_nothing_would_be_left_is_refused():
    class Mine(LossWeightWrapper):
        pass

    with pytest.raises(TypeError, match='itself.*subclass Mine'):
        Mine(detector=dict(type='ToyDetector'))
