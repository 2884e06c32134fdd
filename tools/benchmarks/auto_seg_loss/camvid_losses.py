"""Which loss is best for mIoU on real images: CamVid.

Searches a loss for mIoU and trains a semantic FPN on an EfficientNet-Lite0
with ImageNet weights with it, with the same loss unsearched (identity curves)
and as the authors searched it on VOC, and with cross entropy, Dice and Lovasz.
The rewards come from a sequence that no training sees. The images have to be
there, as configs/asl/camvid says. Every line of `results.jsonl` is one job; a
second call does what is missing and prints the table. Another length of the
trainings (`--iters`) needs another directory.

python tools/benchmarks/auto_seg_loss/camvid_losses.py work_dirs/asl_camvid
python tools/benchmarks/auto_seg_loss/camvid_losses.py work_dirs/longer \\
    --iters 1600 --seeds 0 --losses "cross entropy" "mIoU of VOC"
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asl_jobs import (
    CONFIGS,
    METRICS,
    RIVALS,
    Job,
    Size,
    read_results,
    run_jobs,
    search_job,
    surrogate,
)
from asl_tables import scores_markdown, scores_of

from mmada.commands.command_line import ends_with_reader
from mmada.utils.run_files import CURVE_FILE

METRIC = 'mIoU'
RELEASED = 'voc_miou'
SEARCHED = f'searched {METRIC}'
LOSSES = (*RIVALS, f'unsearched {METRIC}', f'{METRIC} of VOC', SEARCHED)
ON_CAMVID: dict[str, Any] = dict(
    scenes='CamVid',
    head='fpn',
    start='',
    config=CONFIGS / 'camvid' / 'semantic_fpn_lite0_camvid.py',
)
SIZE = Size(
    train=266,
    reward=101,
    test=233,
    pretrain_iters=0,
    iters=800,
    rounds=8,
    replicas=8,
    search_iters=100,
)


def search(seed: int) -> Job:
    """Return the search for mIoU."""
    return search_job(METRIC, seed, METRIC)._replace(**ON_CAMVID)


def trainings(
    work_dir: Path, seeds: Sequence[int], names: Sequence[str] = LOSSES
) -> list[Job]:
    """Return the trainings.

    Args:
        work_dir: Directory of the benchmark.
        seeds: Of the trainings; the first is that of the search.
        names: Of the losses, some of `LOSSES`.
    """
    found = work_dir / search(seeds[0]).key / CURVE_FILE
    shapes = (None, RELEASED, str(found))
    losses = RIVALS | {
        name: surrogate(METRIC, shape)
        for name, shape in zip(LOSSES[len(RIVALS) :], shapes, strict=True)
    }
    return [
        Job(name, [losses[name]], seed, **ON_CAMVID)
        for seed in seeds
        for name in names
    ]


@ends_with_reader()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('work_dir', type=Path)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument(
        '--losses', nargs='+', choices=LOSSES, default=LOSSES, metavar='NAME'
    )
    parser.add_argument('--iters', type=int, default=SIZE.iters)
    parser.add_argument('--search-iters', type=int, default=SIZE.search_iters)
    parser.add_argument('--processes', type=int, default=1)
    args = parser.parse_args(arguments)
    work_dir = args.work_dir.resolve()
    work_dir.mkdir(parents=True, exist_ok=True)
    size = SIZE._replace(iters=args.iters, search_iters=args.search_iters)
    jobs = trainings(work_dir, args.seeds, args.losses)
    searches = [search(args.seeds[0])] if SEARCHED in args.losses else []
    for part in (searches, jobs):
        run_jobs(part, work_dir, size, args.processes)
    wanted = {job.key for job in jobs}
    records = [r for r in read_results(work_dir) if r['key'] in wanted]
    table = scores_markdown(scores_of(records), METRICS)
    (work_dir / 'table.md').write_text(table + '\n')
    print(table)


if __name__ == '__main__':
    main()
