"""The page's configs, as a new user would run it, at the smallest sizes."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.datasets import CocoDataset
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from mmada.commands.command_line import main
from mmada.engine import load_policy
from tests.test_docs.pages import DOCS, REPO, read_blocks

SIZE = (96, 64)


def write_coco(root: Path, split: str, count: int) -> None:
    """Writes images with two bright rectangles, as COCO has them."""
    rng = np.random.default_rng(count)
    images, annotations = [], []
    (root / split).mkdir(parents=True)
    for image_id in range(1, count + 1):
        pixels = rng.integers(0, 90, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        for kind in (1, 2):
            w, h = (int(v) for v in rng.integers(36, 50, 2))
            x, y = 48 * (kind - 1), int(rng.integers(0, SIZE[1] - h))
            w = min(w, 46)
            pixels[y : y + h, x : x + w, kind] = 250
            outline = [x, y, x + w, y, x + w, y + h, x, y + h]
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image_id,
                    category_id=kind,
                    bbox=[x, y, w, h],
                    area=w * h,
                    segmentation=[outline],
                    iscrowd=0,
                )
            )
        name = f'{image_id:012d}.png'
        cv2.imwrite(str(root / split / name), pixels)
        images.append(
            dict(id=image_id, file_name=name, width=SIZE[0], height=SIZE[1])
        )
    categories = [
        dict(id=k, name=name)
        for k, name in enumerate(CocoDataset.METAINFO['classes'], start=1)
    ]
    content = dict(
        images=images, annotations=annotations, categories=categories
    )
    (root / 'annotations').mkdir(exist_ok=True)
    path = root / f'annotations/instances_{split}.json'
    path.write_text(json.dumps(content))


def snippet(test: str = 'test_the_config_explores_and_trains') -> str:
    """The config on the page that a test runs."""
    (text,) = [
        block.text
        for block in read_blocks(DOCS / 'your_own_detector.md')
        if block.mark and block.mark[1].endswith(f'::{test}')
    ]
    return text


def shrink(cfg: Config) -> None:
    """Changes sizes only, and what a machine without a network lacks."""
    shrink_detector(cfg)
    loop = cfg.train_cfg.exploration
    loop.update(num_rounds=2, iters_per_round=2, ranks_per_replica=1)
    loop.controller.num_replicas = 3
    cfg.train_cfg.training.max_epochs = 1
    shrink_images(loop.dataloader, loop.reward_dataloader)


def shrink_detector(cfg: Config) -> None:
    shrink_images(
        cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader
    )
    detector = cfg.model
    detector.backbone.update(depth=18, init_cfg=None)
    detector.neck.update(in_channels=[64, 128, 256, 512], out_channels=32)
    detector.rpn_head.update(in_channels=32, feat_channels=32)
    head = detector.roi_head
    head.bbox_roi_extractor.out_channels = 32
    head.mask_roi_extractor.out_channels = 32
    head.bbox_head.update(in_channels=32, fc_out_channels=64)
    head.mask_head.update(num_convs=1, in_channels=32, conv_out_channels=32)


def shrink_images(*loaders: ConfigDict) -> None:
    for loader in loaders:
        loader.update(num_workers=0, persistent_workers=False)
        dataset = loader.dataset.get('dataset', loader.dataset)
        for step in dataset.pipeline:
            if step.type == 'Resize':
                step.scale = SIZE


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder, with data where the stock config looks for them."""
    folder = tmp_path_factory.mktemp('user')
    coco = folder / 'data/coco'
    write_coco(coco, 'train2017', 8)
    write_coco(coco, 'val2017', 2)
    return folder


@pytest.fixture(scope='module')
def trained(folder: Path) -> Config:
    """The short config of the page, after its training."""
    path = folder / 'mask_rcnn_weighted.py'
    path.write_text(snippet('test_the_short_config_trains'))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        cfg = Config.fromfile(path)
        shrink_detector(cfg)
        cfg.train_cfg.update(max_epochs=2, val_interval=3)
        cfg.work_dir = str(folder / 'work_dirs/mask_rcnn_weighted')
        cfg.log_level = 'ERROR'
        Runner.from_cfg(cfg).train()
    return cfg


def test_the_short_config_trains(trained: Config) -> None:
    text = snippet('test_the_short_config_trains')
    settings = ('custom_imports', 'optim_wrapper', 'custom_hooks')
    found = re.findall(r'^(\w+) = ', text, re.MULTILINE)
    assert tuple(found) == ('_base_', *settings)
    page = (DOCS / 'your_own_detector.md').read_text()
    assert '## In three settings' in page
    path = Path(trained.work_dir, 'weights.jsonl')
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    weights = json.loads(lines[-1])['weights']
    assert len(set(weights)) == 3
    assert sum(weights) == pytest.approx(3)


def test_the_same_config_tests_and_predicts(
    trained: Config, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Runner, init_detector, DetInferencer and test-time augmentation."""
    monkeypatch.chdir(folder)
    checkpoint = str(Path(trained.work_dir, 'epoch_2.pth'))
    image = 'data/coco/val2017/000000000001.png'
    expected = predicted(trained, checkpoint, image)
    (found,) = inferencer_of(trained, checkpoint)(image)['predictions']
    assert found['scores'] == pytest.approx(expected, abs=1e-5)
    cfg = copy.deepcopy(trained)
    cfg.load_from = checkpoint
    assert isinstance(Runner.from_cfg(cfg).test(), dict)
    # MMDetection augments no masks, so the model is loaded alone.
    runner = Runner.from_cfg(with_flips(cfg))
    runner.load_or_resume()
    loaded = dict(runner.model.module.named_parameters())
    state = torch.load(checkpoint, weights_only=False)['state_dict']
    for name, parameter in loaded.items():
        assert torch.equal(parameter, state[name]), name


def predicted(cfg: Config, checkpoint: str, image: str) -> list[float]:
    model = init_detector(copy.deepcopy(cfg), checkpoint, device='cpu')
    return inference_detector(model, image).pred_instances.scores.tolist()


def inferencer_of(cfg: Config, checkpoint: str) -> DetInferencer:
    path = Path(cfg.work_dir, 'dumped.py')
    cfg.dump(path)
    return DetInferencer(
        str(path), checkpoint, device='cpu', show_progress=False
    )


def with_flips(cfg: Config) -> Config:
    """Returns the config with test-time augmentation, as MMDetection's."""
    cfg = copy.deepcopy(cfg)
    pipeline = cfg.test_dataloader.dataset.pipeline
    flips = [dict(type='RandomFlip', prob=p) for p in (1.0, 0.0)]
    pack = dict(pipeline[-1])
    pack['meta_keys'] = (*pack['meta_keys'], 'flip', 'flip_direction')
    augment = dict(type='TestTimeAug', transforms=[flips, [pack]])
    cfg.test_dataloader.dataset.pipeline = [*pipeline[:-1], augment]
    cfg.model = dict(
        type='DetTTAModel',
        tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=9),
        module=cfg.model,
    )
    return cfg


@pytest.fixture(scope='module')
def finished(folder: Path) -> Path:
    """The folder that the commands of a search were run in."""
    command = [sys.executable, str(REPO / 'tools/make_proxy_split.py')]
    annotations = 'data/coco/annotations/instances_train2017.json'
    subprocess.run(
        [*command, annotations, '--num-reward', '3'], cwd=folder, check=True
    )
    path = folder / 'mask_rcnn_ada.py'
    path.write_text(snippet())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        cfg = Config.fromfile(path)
        shrink(cfg)
        cfg.work_dir = 'work_dirs/mask_rcnn_ada'
        cfg.log_level = 'ERROR'
        Runner.from_cfg(cfg).train()
    return folder


@pytest.mark.slow
def test_the_config_explores_and_trains(finished: Path) -> None:
    work_dir = finished / 'work_dirs/mask_rcnn_ada'
    names = load_policy(work_dir / 'policy.safetensors').objectives
    assert names == ('rpn', 'cls', 'bbox', 'mask')
    history = (work_dir / 'exploration/history.jsonl').read_text()
    for line in history.splitlines():
        for found in json.loads(line)['metrics']:
            assert found['weighted_sum'] == pytest.approx(
                (found['coco/bbox_mAP'] + found['coco/segm_mAP']) / 2
            )
    (epoch,) = (work_dir / 'weights.jsonl').read_text().splitlines()
    # So small a model scores 0 whatever its weights: nothing is learned.
    assert json.loads(epoch)['weights'] == [1.0] * 4
    assert (work_dir / 'epoch_1.pth').is_file()


@pytest.mark.slow
def test_the_policy_weighs_another_backbone(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished)
    by_hand = Path('hand.py')
    by_hand.write_text(snippet('test_the_policy_weighs_another_backbone'))
    stock = 'mmdet::mask_rcnn/mask-rcnn_r101_fpn_1x_coco.py'
    policy = 'work_dirs/mask_rcnn_ada/policy.safetensors'
    options = ('--method', 'policy', '--policy', policy, '-o', 'written.py')
    assert main(['adapt', stock, *options]) == 0
    cfg, written = map(Config.fromfile, (by_hand, 'written.py'))
    assert dict(cfg) == dict(written)
    shrink_detector(cfg)
    cfg.train_cfg.max_epochs = 1
    cfg.work_dir = 'work_dirs/r101'
    Runner.from_cfg(cfg).train()
    (epoch,) = Path(cfg.work_dir, 'weights.jsonl').read_text().splitlines()
    assert json.loads(epoch)['objectives'] == ['rpn', 'cls', 'bbox', 'mask']


def test_the_config_is_what_adapt_writes(tmp_path: Path) -> None:
    by_hand, written = tmp_path / 'hand.py', tmp_path / 'written.py'
    by_hand.write_text(snippet())
    stock = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'
    options = ('--method', 'slope', '-o', str(written))
    assert main(['adapt', stock, *options]) == 0
    found, expected = (
        dict(Config.fromfile(path)) for path in (written, by_hand)
    )
    assert found == expected


def test_the_page_counts_its_cost() -> None:
    text = (DOCS / 'your_own_detector.md').read_text()
    replicas = snippet().split('num_replicas=')[1].split(')')[0]
    assert f'replicas, here {replicas} (two' in ' '.join(text.split())
