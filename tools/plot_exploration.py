"""Draws what an exploration found: weights over rounds, and scores."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmada.commands.common import one_line_errors
from mmada.utils.run_files import EXPLORATION_DIR
from mmada.visualization import (
    HISTORY_FILE,
    WEIGHTS_FILE,
    read_epochs,
    read_search,
    save_figure,
    weights_figure,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work_dir', type=Path, help='of a run that explored')
    parser.add_argument(
        '--out', type=Path, help='default: WORK_DIR/exploration/weights.png'
    )
    parser.add_argument(
        '--metric', help='shown in the last panel; default: the maximised one'
    )
    return parser.parse_args()


def main() -> None:
    """Write the picture."""
    args = parse_args()
    history = args.work_dir / HISTORY_FILE
    with one_line_errors('plot_exploration'):
        search = read_search(history)
        if search is None:
            raise ValueError(
                f'{history} should have at least one round. Found none.'
            )
        epochs = read_epochs(args.work_dir / WEIGHTS_FILE)
        figure = weights_figure(search, epochs, args.metric)
        out = args.out or args.work_dir / EXPLORATION_DIR / 'weights.png'
        print(save_figure(figure, out))


if __name__ == '__main__':
    main()
