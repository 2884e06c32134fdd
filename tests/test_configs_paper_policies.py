"""Which policy a training of configs/paper uses, and that none is twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.paper_runs import NAMES, SEARCHES, TRAININGS, parts_of, read

WITHOUT = ('ones', 'gradnorm', 'hand-tuned')
MODES = {
    'ada-segment-final': 'final',
    'ada-segment-pred': 'pred',
    'ada-segment-single': 'single',
    'grid': 'final',
    'bohb': 'final',
    'slope': 'pred',
}  # of the others: comb
R50 = 'cascade-panoptic_r50-dcn-fpn_ada-segment-search_8xb2'
R101 = 'cascade-panoptic_r101-dcn-fpn_ada-segment-search_8xb2'
TRANSFERS = {
    ('r50-dcn-fpn', 'ada-segment-from-ade20k'): f'ade20k/{R50}-24e_ade20k',
    ('r50-dcn-fpn', 'ada-segment-from-coco'): f'coco/{R50}-1x_coco',
    ('r50-dcn-fpn', 'ada-segment-from-1x'): f'coco/{R50}-1x_coco',
    ('r101-dcn-fpn', 'ada-segment-from-1x'): f'coco/{R101}-1x_coco',
    ('r101-dcn-fpn', 'ada-segment-from-r50'): f'coco/{R50}-1x_coco',
}


def search_of(name):
    """Returns the search whose policy a training should use."""
    folder, stem = name.split('/')
    method, schedule, data = parts_of(name)
    detector, backbone = stem.split('_')[:2]
    if (backbone, method) in TRANSFERS:
        return TRANSFERS[backbone, method]
    for use in ('-final', '-pred', '-single'):
        method = method.removesuffix(use)
    data = data.removesuffix('-proxy')
    return (
        f'{folder}/{detector}_{backbone}_{method}-search_'
        f'8xb2-{schedule}_{data}'
    )


@pytest.mark.parametrize('name', TRAININGS)
def test_a_training_uses_the_policy_of_its_search(name):
    found = [
        hook
        for hook in read(name).get('custom_hooks', [])
        if hook.type == 'PolicyWeightingHook'
    ]
    method = parts_of(name)[0]
    if method in WITHOUT:
        assert found == []
        return
    (hook,) = found
    assert hook.mode == MODES.get(method, 'comb')
    search = search_of(name)
    assert search in SEARCHES
    stem = Path(search).name
    assert hook.policy == f'work_dirs/{stem}/policy.safetensors'
    # Losses of another detector or data set are not this training's.
    same = search.split('_')[:2] == name.split('_')[:2]
    assert hook.get('initial_losses', 'stored') == (
        'stored' if same else 'probe'
    )
    assert read(search).model.objectives == read(name).model.objectives


def test_every_search_is_used():
    used = {search_of(n) for n in TRAININGS if parts_of(n)[0] not in WITHOUT}
    assert used == set(SEARCHES)


def test_policies_are_found_where_the_environment_says(monkeypatch):
    monkeypatch.setenv('MMADA_WORK_DIRS', '/runs/seed1')
    name = 'coco/cascade-panoptic_r50-dcn-fpn_ada-segment_8xb2-1x_coco'
    (hook,) = read.__wrapped__(name).custom_hooks
    assert hook.policy.startswith('/runs/seed1/cascade-panoptic_r50-')


@pytest.mark.parametrize('name', TRAININGS)
def test_a_proxy_training_leaves_the_held_out_images_alone(name):
    dataset = read(name).train_dataloader.dataset
    if not name.endswith('-proxy'):
        assert dataset.type in ('CocoPanopticDataset', 'ADE20KPanopticDataset')
        return
    assert (dataset.type, dataset.keep) == ('ImageSubset', 'others')
    whole = read(name.removesuffix('-proxy'))
    assert dataset.dataset == whole.train_dataloader.dataset
    assert read(name).val_dataloader == whole.val_dataloader


def test_no_two_configs_are_the_same_experiment():
    keys = (
        'model',
        'optim_wrapper',
        'param_scheduler',
        'train_cfg',
        'train_dataloader',
        'custom_hooks',
    )
    seen = {}
    for name in NAMES:
        config = read(name)
        content = json.dumps({key: config.get(key) for key in keys})
        assert content not in seen, (name, seen[content])
        seen[content] = name
