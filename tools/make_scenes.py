"""Generate a folder of panoptic scenes in the COCO format.

python tools/make_scenes.py data/scenes --size 64x96 --num train=256
"""

from __future__ import annotations

import argparse
import time

from mmada.commands.common import one_line_errors
from mmada.datasets import SceneOptions, make_scenes


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition('x')
    if not (height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(
            f'should be HEIGHTxWIDTH. Found {text!r}.'
        )
    return int(height), int(width)


def _num(text: str) -> tuple[str, int]:
    split, _, number = text.partition('=')
    if not number.isdigit():
        raise argparse.ArgumentTypeError(
            f'should be SPLIT=NUMBER. Found {text!r}.'
        )
    return split, int(number)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    defaults = SceneOptions()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', help='folder to make')
    parser.add_argument(
        '--size',
        type=_size,
        default=defaults.size,
        help='HEIGHTxWIDTH, default 64x96',
    )
    parser.add_argument(
        '--num',
        type=_num,
        nargs='+',
        default=list(defaults.num.items()),
        metavar='SPLIT=NUMBER',
        help='images of the splits train, reward and test',
    )
    parser.add_argument('--seed', type=int, default=defaults.seed)
    parser.add_argument(
        '--min-radius',
        type=float,
        default=defaults.min_radius,
        help='of the smallest things, in 64ths of the shorter side',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Make the folder."""
    args = parse_args(argv)
    start = time.perf_counter()
    with one_line_errors('make_scenes'):
        options = SceneOptions(
            args.size, dict(args.num), args.seed, args.min_radius
        )
        made = make_scenes(args.out, options)
    if not made:
        print(f'{args.out}: there already, reused')
        return
    seconds = time.perf_counter() - start
    total = sum(options.num.values())
    print(
        f'{args.out}: {total} images in {seconds:.1f} s '
        f'({total / seconds:.0f} per second)'
    )


if __name__ == '__main__':
    main()
