from __future__ import annotations

import copy

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData

import mmada  # noqa: F401
from mmada.models import AutoSegLoss
from mmada.surrogates import NAMED_POINTS, decode, save_curve
from tests.test_surrogates.cases import MAPPED, METRICS, blobs, surrogate_of

PIXELWISE = sorted(set(METRICS) - set(MAPPED))


def build(**options):
    return MODELS.build({'type': 'AutoSegLoss', **options})


def logits(classes=4, size=(2, 13, 11), seed=0):
    generator = torch.Generator().manual_seed(seed)
    n, height, width = size
    return torch.randn(n, classes, height, width, generator=generator)


@pytest.mark.parametrize('name', NAMED_POINTS)
def test_the_loss_is_its_weight_times_one_minus_the_surrogate(name):
    named = NAMED_POINTS[name]
    label = blobs(0, ignored=True)
    found = build(metric=named.metric, theta=name, loss_weight=0.4)(
        logits(), label
    )
    metric = surrogate_of(
        named.metric, logits().softmax(1), label, named.points
    )
    assert found.item() == pytest.approx(0.4 * (1 - metric.item()), abs=1e-6)


def test_the_identity_gives_a_plain_soft_iou_worked_out_by_hand():
    # Two pixels of classes 0 and 1, p of the right one 0.8 and 0.6:
    # I/U of class 0 is 0.8 / 1.4, that of class 1 is 0.6 / 1.2.
    p = torch.tensor([[[[0.8, 0.4]], [[0.2, 0.6]]]])
    found = build(metric='mIoU')(p.log(), torch.tensor([[[0, 1]]]))
    assert found.item() == pytest.approx(1 - (0.8 / 1.4 + 0.6 / 1.2) / 2)


@pytest.mark.parametrize('metric', METRICS)
def test_theta_is_a_list_a_file_or_a_name_of_the_same_numbers(
    metric, tmp_path
):
    name = next(n for n in NAMED_POINTS if NAMED_POINTS[n].metric == metric)
    points = NAMED_POINTS[name].points
    path = save_curve(tmp_path / 'curve.json', metric, points)
    shapes = [
        build(metric=metric, theta=theta).shape
        for theta in (name, list(points), path, str(path))
    ]
    assert all(torch.equal(shape, shapes[0]) for shape in shapes)
    assert shapes[0].flatten().tolist() == list(points)


def test_the_shape_is_set_and_read_but_never_by_reference():
    loss, z, label = build(metric='mAcc'), logits(), blobs(0)
    before = loss(z, label)
    loss.shape.zero_()
    assert torch.equal(loss(z, label), before)
    with pytest.raises(ValueError, match='`points`'):
        loss.set_shape([0.5, 0.5, 0.2, 0.2, 0.9, 0.9])
    assert torch.equal(loss(z, label), before)
    loss.set_shape(NAMED_POINTS['voc_macc'].points)
    named = build(metric='mAcc', theta='voc_macc')
    assert not torch.equal(loss(z, label), before)
    assert torch.equal(loss(z, label), named(z, label))
    assert torch.equal(copy.deepcopy(loss)(z, label), named(z, label))


def test_no_checkpoint_and_no_cast_changes_the_shape():
    loss = build(metric='mIoU', theta='voc_miou')
    assert loss.state_dict() == {}
    assert list(loss.parameters()) == list(loss.buffers()) == []
    loss.load_state_dict(build(metric='mIoU').state_dict(), strict=True)
    loss.half().to('cpu')
    assert loss.shape.flatten().tolist() == list(
        NAMED_POINTS['voc_miou'].points
    )


shares = st.lists(
    st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)),
    min_size=12,
    max_size=12,
)


@pytest.mark.parametrize('metric', METRICS)
@settings(max_examples=40, deadline=None)
@given(
    drawn=shares,
    seed=st.integers(0, 10**6),
    scale=st.sampled_from([0.0, 1.0, 30.0, 1e4]),
    ignored=st.booleans(),
    weighted=st.booleans(),
)
def test_any_curve_and_any_logits_give_a_finite_loss_and_gradient(
    metric, drawn, seed, scale, ignored, weighted
):
    loss = AutoSegLoss(metric, loss_weight=0.7)
    shape = loss.surrogate.shape
    actions = torch.tensor(drawn, dtype=torch.float64)
    loss.set_shape(decode(actions[: shape.num_parameters], shape))
    z = (scale * logits(size=(2, 9, 7), seed=seed)).clamp(-1e4, 1e4)
    z.requires_grad_()
    label = blobs(seed, size=(2, 9, 7), ignored=ignored)
    weight = torch.rand(label.shape) if weighted else None
    found = loss(z, label, weight)
    found.backward()
    assert 0 <= found.item() <= 0.7 * (1 + 1e-6)
    assert z.grad.isfinite().all()


@pytest.mark.parametrize('metric', METRICS)
def test_if_all_is_ignored_the_loss_and_its_gradient_are_zero(metric):
    z = logits().requires_grad_()
    loss = build(metric=metric)(z, torch.full((2, 13, 11), 255))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(z.grad, torch.zeros_like(z))


@pytest.mark.parametrize('metric', METRICS)
def test_the_ignored_label_of_the_call_overrides_that_of_the_option(metric):
    label = blobs(1, ignored=True)
    theirs = label.masked_fill(label == 255, -100)
    expected = build(metric=metric)(logits(), label)
    found = build(metric=metric)(logits(), theirs, ignore_index=-100)
    option = build(metric=metric, ignore_index=-100)(logits(), theirs)
    assert expected.item() == found.item() == option.item()


def test_an_ignored_label_that_the_head_does_not_share_is_refused():
    loss = build(metric='mIoU', ignore_index=11)
    label = blobs(1, ignored=True)
    with pytest.raises(ValueError, match='head, which is 255. Found 11'):
        loss(logits(), label, ignore_index=255)
    theirs = label.masked_fill(label == 255, 11)
    assert loss(logits(), theirs, ignore_index=11) == loss(logits(), theirs)


def test_averaging_over_all_pixels_scales_by_the_share_that_counts():
    label = blobs(1)
    label[:, :5] = 255
    plain = build(metric='mIoU')(logits(), label)
    scaled = build(metric='mIoU', avg_non_ignore=False)(logits(), label)
    assert scaled.item() == pytest.approx(plain.item() * 8 / 13)


@pytest.mark.parametrize('metric', METRICS)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(metric, dtype):
    z = logits().to(dtype).requires_grad_()
    label = blobs(2, ignored=True)
    expected = build(metric=metric)(z.detach().float(), label)
    loss = build(metric=metric)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = loss(z, label)
    found.backward()
    assert found.dtype == torch.float32
    assert found.item() == expected.item()
    assert z.grad.dtype == dtype
    assert z.grad.isfinite().all()
    assert z.grad.any()


@pytest.mark.parametrize('metric', METRICS)
def test_descent_on_the_loss_raises_the_metric(metric):
    z = torch.zeros(1, 4, 12, 12)
    z += 0.01 * logits(size=(1, 12, 12))
    z.requires_grad_()
    label = blobs(3, size=(1, 12, 12))
    loss = build(metric=metric)
    optimizer = torch.optim.Adam([z], lr=0.3)
    first = loss(z, label).item()
    for _ in range(30):
        optimizer.zero_grad()
        loss(z, label).backward()
        optimizer.step()
    assert loss(z, label).item() < 0.6 * first


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (dict(metric='miou'), "'mIoU', 'FWIoU'"),
        (dict(metric='mIoU', theta='voc_mious'), 'voc_miou, voc_fwiou'),
        (
            dict(metric='mIoU', theta='voc_macc'),
            "Found 'voc_macc', which is for 'mAcc'",
        ),
        (dict(metric='mIoU', theta=[0.5]), 'should be 12 numbers.*Found 1'),
        (dict(metric='mAcc', theta=[2.0] * 6), r'in \[0, 1\]'),
        (dict(metric='mIoU', tolerance=3), "`tolerance`.*'mIoU' has no"),
        (dict(metric='gAcc', drop_bg=False), "`drop_bg`.*'gAcc' has no"),
        (dict(metric='BF1', tolerance=-1), '`tolerance`.*Found -1'),
        (dict(metric='BF1', tolerance=1.5), '`tolerance`.*Found 1.5'),
        (dict(metric='BF1', loss_weight=-1), '`loss_weight`'),
        (dict(metric='BF1', loss_weight=float('nan')), '`loss_weight`'),
        (
            dict(metric='mIoU', loss_weight='0.5'),
            "`loss_weight` should be a finite number.*Found '0.5'",
        ),
        (
            dict(metric='mIoU', ignore_index='255'),
            "`ignore_index` should be an integer or None. Found '255'",
        ),
        (
            dict(metric='mIoU', avg_non_ignore='False'),
            "`avg_non_ignore` should be True or False. Found 'False'",
        ),
        (
            dict(metric='BF1', drop_bg='False'),
            "`drop_bg` should be True or False. Found 'False'",
        ),
        (
            dict(metric='mIoU', loss_name='asl'),
            "`loss_name` should be text with 'loss' in it: MMEngine only logs "
            "what has another name. Found 'asl'",
        ),
        (
            dict(metric='mIoU', use_sigmoid=False, class_weight=[1.0]),
            "theta.*Found 'use_sigmoid', 'class_weight'. `_delete_=True`",
        ),
    ],
)
def test_invalid_options_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        AutoSegLoss(**options)


def test_a_curve_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'`theta`.*none at .*b\.json'):
        AutoSegLoss('mIoU', theta=tmp_path / 'b.json')


@pytest.mark.parametrize(
    ('score', 'label', 'more', 'said'),
    [
        ((2, 4, 8, 8), (2, 8, 9), {}, r'`label` should have shape \(2, 8, 8'),
        ((2, 4, 8, 8), (2, 1, 8, 8), {}, r'Found \(2, 1, 8, 8\)'),
        ((4,), (4,), {}, '`label` should have shape'),
        ((2, 4, 8, 8), (2, 8, 8), {'avg_factor': 3}, '`avg_factor`'),
        (
            *((2, 4, 8, 8), (2, 8, 8), {'reduction_override': 'none'}),
            "'none'.*`sampler=None`",
        ),
        ((2, 1, 8, 8), (2, 8, 8), {}, 'Found 1. Set `out_channels`'),
        ((2, 4, 8, 8), (2, 8, 8), {'weight': torch.ones(2)}, '`weight`'),
    ],
)
def test_invalid_inputs_are_named(score, label, more, said):
    with pytest.raises(ValueError, match=said):
        build(metric='mIoU')(
            torch.zeros(score), torch.zeros(label).long(), **more
        )


def test_labels_beyond_the_logits_are_refused():
    label = blobs(0)
    label[1, 2, 3] = 4
    with pytest.raises(ValueError, match=r'\[0, 3\].*=255. Found \[4\]'):
        build(metric='mIoU')(logits(), label)
    with pytest.raises(ValueError, match='should hold integers'):
        build(metric='mIoU')(logits(), label.float())


@pytest.mark.parametrize('metric', MAPPED)
def test_edges_cannot_be_seen_in_a_list_of_pixels(metric):
    with pytest.raises(
        ValueError, match=r'\(N, C, H, W\).*\(9, 4\).*MapPanopticFPNHead'
    ):
        build(metric=metric)(torch.zeros(9, 4), torch.zeros(9).long())


@pytest.mark.parametrize('options', [{}, {'drop_bg': True}, {'tolerance': 1}])
def test_options_of_edges_reach_the_metric(options):
    label, z = blobs(5), logits()
    found = build(metric='BF1', **options)(z, label)
    expected = surrogate_of(
        'BF1', z.softmax(1), label, build(metric='BF1').shape, **options
    )
    assert found.item() == pytest.approx(1 - expected.item(), abs=1e-6)


def test_a_decode_head_finds_a_name_that_counts_as_a_loss():
    assert build(metric='mIoU').loss_name == 'loss_asl'
    loss = build(metric='mIoU', loss_name='loss_b')
    found = loss(
        logits(), blobs(0), weight=None, ignore_index=255, more='ignored'
    )
    assert loss.loss_name == 'loss_b'
    assert found.dim() == 0


def head_and_samples(kind, loss):
    register_all_modules(init_default_scope=False)
    with DefaultScope.overwrite_default_scope('mmdet'):
        from mmdet.registry import MODELS as mmdet_models

        torch.manual_seed(0)
        head = mmdet_models.build(
            dict(
                type=kind,
                num_things_classes=2,
                num_stuff_classes=3,
                in_channels=8,
                inner_channels=8,
                norm_cfg=dict(type='GN', num_groups=2),
                loss_seg=loss,
            )
        )
    samples = []
    for seed in range(2):
        sample = DetDataSample()
        label = blobs(seed, size=(1, 64, 64), classes=5, ignored=True, cell=16)
        sample.gt_sem_seg = PixelData(sem_seg=label)
        samples.append(sample)
    features = [torch.rand(2, 8, 16 >> k, 16 >> k) for k in range(4)]
    return head, features, samples


def step(head, features, samples):
    found = head.loss(features, samples)['loss_seg']
    found.backward()
    return found.item(), head.conv_logits.weight.grad.clone()


@pytest.mark.parametrize('metric', PIXELWISE)
def test_the_semantic_head_of_mmdet_trains_on_it(metric):
    loss = dict(type='AutoSegLoss', metric=metric, ignore_index=255)
    head, features, samples = head_and_samples('PanopticFPNHead', loss)
    assert isinstance(head.loss_seg, AutoSegLoss)
    value, grad = step(head, features, samples)
    assert 0 < value < 1
    assert grad.isfinite().all()
    assert grad.any()


@pytest.mark.parametrize('metric', MAPPED)
def test_the_head_that_keeps_maps_trains_on_edges(metric):
    loss = dict(type='AutoSegLoss', metric=metric)
    value, grad = step(*head_and_samples('MapPanopticFPNHead', loss))
    assert 0 < value < 1
    assert grad.isfinite().all()
    assert grad.any()


@pytest.mark.parametrize(
    'loss',
    [
        dict(type='AutoSegLoss', metric='mIoU', theta='voc_miou'),
        dict(type='CrossEntropyLoss', ignore_index=255, loss_weight=0.5),
    ],
)
def test_the_head_that_keeps_maps_is_otherwise_that_of_mmdet(loss):
    theirs = step(*head_and_samples('PanopticFPNHead', loss))
    torch.manual_seed(1)
    head, features, samples = head_and_samples('MapPanopticFPNHead', loss)
    _, features, _ = head_and_samples('PanopticFPNHead', loss)
    ours = step(head, features, samples)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-3, atol=1e-6)
