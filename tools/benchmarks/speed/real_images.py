"""Memory and seconds of the full-size cascade on a few real images.

Through the real Runner, from random weights: a training with all weights 1,
or with --explore the whole of Algorithm 1, one round of two replicas and then
the training with the policy that was found. Its quality means nothing.

DATA_DIR holds `images/`, `annotations/panoptic.json` and
`annotations/panoptic/`, in COCO's panoptic format with its 133 categories.

python tools/benchmarks/speed/real_images.py DATA_DIR --iters 3
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from measure import ROOT, busy, show_surroundings
from memory import most, now
from mmengine.config import Config
from mmengine.runner import Runner

from mmada.commands.command_line import ends_with_reader

CONFIG = ROOT / 'configs/ada/cascade_panoptic_r50_1x.py'
REPLICAS = 2
IMAGES = 2


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data_dir', type=Path, help='folder of the images')
    parser.add_argument(
        '--iters', type=int, default=3, help='iterations of each training'
    )
    parser.add_argument(
        '--scale',
        type=int,
        nargs=2,
        default=(1333, 800),
        metavar=('LONG', 'SHORT'),
        help='the images are resized to fit',
    )
    parser.add_argument(
        '--explore', action='store_true', help='run all of Algorithm 1'
    )
    return parser.parse_args(argv)


def pipeline(steps: list[dict[str, Any]], scale: tuple[int, int]) -> list:
    """Return a pipeline that resizes to another size."""
    return [
        dict(step, scale=scale) if step['type'] == 'Resize' else dict(step)
        for step in steps
    ]


def loader(folder: Path, batch_size: int, **dataset: Any) -> dict[str, Any]:
    """Return a dataloader's config with the images of a folder."""
    return dict(
        batch_size=batch_size,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            type='CocoPanopticDataset',
            data_root=f'{folder}/',
            ann_file='annotations/panoptic.json',
            data_prefix=dict(img='images/', seg='annotations/panoptic/'),
            **dataset,
        ),
    )


def make_config(
    folder: Path, iters: int, scale: tuple[int, int], work_dir: str
) -> Config:
    """Return the full-size config on a few images, in short.

    Args:
        folder: Where the images are.
        iters: Iterations of a round, and epochs of the training.
        scale: Size that the images are resized to.
        work_dir: Where files go.
    """
    config = Config.fromfile(CONFIG)
    config.work_dir = work_dir
    config.log_level = 'ERROR'
    config.default_hooks.checkpoint.update(interval=-1, save_last=False)
    config.model.detector.backbone.init_cfg = None  # nothing is downloaded
    train = loader(
        folder, IMAGES, pipeline=pipeline(config.train_pipeline, scale)
    )
    test = loader(
        folder,
        1,
        pipeline=pipeline(config.test_pipeline, scale),
        test_mode=True,
    )
    quality = dict(
        type='PanopticQuality',
        ann_file=f'{folder}/annotations/panoptic.json',
        seg_prefix=f'{folder}/annotations/panoptic/',
        classes_of='ground_truth',
    )
    shorten(config.train_cfg, iters)
    # ConfigDict.update would merge them with what is there.
    config.train_dataloader = train
    config.val_dataloader = config.test_dataloader = test
    config.val_evaluator = config.test_evaluator = quality
    exploration = config.train_cfg.exploration
    exploration.dataloader = train
    exploration.reward_dataloader = test
    exploration.reward_evaluator = quality
    return config


def shorten(train_cfg: Any, iters: int) -> None:
    """Make one round of few replicas and a short training."""
    train_cfg.exploration.update(
        num_rounds=1, iters_per_round=iters, ranks_per_replica=1
    )
    train_cfg.exploration.controller.num_replicas = REPLICAS
    train_cfg.training.update(max_epochs=iters, val_interval=iters)


def without_exploration(config: Config) -> Config:
    """Return the config of the training alone."""
    config.train_cfg = config.train_cfg.training
    config.custom_hooks = []  # there is no policy to follow
    return config


def run(config: Config) -> dict[str, float]:
    """Train; return seconds, the last loss and bytes of memory."""
    before, began = now(), time.perf_counter()
    runner = Runner.from_cfg(config)
    built, worked = time.perf_counter(), busy()
    runner.train()
    scalars = runner.message_hub.log_scalars
    return dict(
        build=built - began,
        train=time.perf_counter() - built,
        work=busy() - worked,
        iteration=scalars['train/time'].mean(),
        loss=scalars['train/loss'].current(),
        before=before,
        peak=most(),
    )


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print memory and seconds."""
    args = parse_args(argv)
    scale = tuple(args.scale)
    # With --explore the pseudo epoch and the replicas, too.
    count = args.iters * (2 + REPLICAS if args.explore else 1)
    show_surroundings(
        f'{CONFIG.stem}, {"explored" if args.explore else "trained"} in '
        f'{count} iterations of {IMAGES} images that fit {scale[0]} x '
        f'{scale[1]}'
    )
    with tempfile.TemporaryDirectory() as work_dir:
        config = make_config(
            args.data_dir.resolve(), args.iters, scale, work_dir
        )
        found = run(config if args.explore else without_exploration(config))
        deformable = 'dcn' in config.model.detector.backbone
    print(
        f'deformable convolutions: {"yes" if deformable else "no"}\n'
        f'set-up: {found["build"]:.1f} s\n'
        f'all after it, evaluations, too: {found["train"]:.1f} s, '
        f'{found["work"]:.1f} s of work\n'
        f'an iteration of the training: {found["iteration"]:.2f} s\n'
        f'loss of the last iteration: {found["loss"]:.3f}\n'
        f'memory: {found["peak"] / 1e6:.0f} MB at most, '
        f'{found["before"] / 1e6:.0f} MB before'
    )
    if not math.isfinite(found['loss']):
        raise SystemExit('real_images: the loss is not finite')


if __name__ == '__main__':
    torch.manual_seed(0)
    main()
