"""The arguments of each command of `mmada`.

Imports the standard library alone. Of each command there is a function that
adds its arguments to a parser, whose docstring is the help text, and maybe one
that returns in what they do not fit together.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

# The console script imports this folder under another name.
from .argument_types import (
    at_least,
    checkpoint,
    checkpoint_or_auto,
    existing_file,
    existing_path,
    name_of,
    new_file,
    output_directory,
    run_directory,
    stock_config,
)

METHODS = (
    'inverse-loss',
    'uncertainty',
    'dwa',
    'random',
    'famo',
    'gradnorm',
    'upgrad',
    'slope',
    'random-search',
    'ada-segment',
    'policy',
    'asl',
)
"""Of `mmada adapt`, the table of `mmada.commands.adapt.methods`."""
SEARCHES = ('slope', 'random-search', 'ada-segment')
"""Those of them that search."""


class ConfigOverrides(argparse.Action):
    """MMEngine's `DictAction`, which is imported when it is used."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add KEY=VALUE pairs to the namespace, as a dict."""
        for text in values:
            if not re.match(r'[^=]+=', text):
                raise argparse.ArgumentError(
                    self, f'should be KEY=VALUE, without blanks. Found {text}.'
                )
        from mmengine.config import DictAction

        action = DictAction(self.option_strings, self.dest, nargs=self.nargs)
        action(parser, namespace, values, option_string)


def add_config_overrides(parser: argparse.ArgumentParser) -> None:
    """Add the argument that changes entries of the config."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOverrides,
        metavar='KEY=VALUE',
        help='overrides of the config, such as optim_wrapper.optimizer.lr='
        '0.01 or key="[(a,b),(c,d)]"',
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--json', action='store_true', help='print one JSON object'
    )


def _add_start(parser: argparse.ArgumentParser) -> None:
    """Add what the model of a training that is looked at starts from."""
    parser.add_argument(
        '--checkpoint',
        type=checkpoint,
        help='that its model starts from; default: its own',
    )


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that OpenMMLab's train and test scripts share."""
    parser.add_argument(
        '--work-dir',
        type=output_directory,
        help='where logs, checkpoints and results go; ./work_dirs/<name of '
        'the config> unless the config says',
    )
    add_config_overrides(parser)
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='how the processes of a distributed run were started',
    )
    # torch.distributed.launch passes this; torchrun sets the variable.
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=int,
        default=0,
        help=argparse.SUPPRESS,
    )


def adapt(parser: argparse.ArgumentParser) -> None:
    """Write a config that adds learned loss weights to a stock one.

    Says what it decided and what it left open. The methods:
      inverse-loss, dwa     from the losses, once an epoch
      uncertainty           learned beside the network, at no extra cost
      random, famo          once an iteration
      gradnorm, upgrad      from the gradients of the losses
      slope, random-search, ada-segment
                            a search, then a training with what it found
      policy                of a policy file that a search wrote
      asl                   Auto Seg-Loss, in MMSegmentation

    example:
      mmada adapt mmdet::retinanet/retinanet_r50_fpn_1x_coco.py -o my_config.py
    """
    parser.add_argument(
        'config',
        type=stock_config,
        metavar='STOCK_CONFIG',
        help='a config file, or one that a package has with it, such as '
        'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
    )
    parser.add_argument(
        '--method',
        type=name_of(METHODS),
        default=METHODS[0],
        metavar='NAME',
        help='one of the above; default: inverse-loss',
    )
    parser.add_argument(
        '-o',
        '--out',
        type=new_file,
        required=True,
        metavar='MY_CONFIG',
        help='file to write; it must not exist yet',
    )
    parser.add_argument(
        '--reward',
        nargs='+',
        metavar='KEY',
        help='of a search: the metric that it maximises, or several, whose '
        'mean it maximises, such as coco/segm_mAP; default: all that the '
        'stock config evaluates',
    )
    parser.add_argument(
        '--gpus',
        type=at_least(1),
        help='of a search: how many train together; default: as many as '
        'the learning rate of the stock config is meant for',
    )
    parser.add_argument(
        '--policy',
        type=existing_file,
        metavar='FILE',
        help='for --method policy',
    )


def adapt_problem(args: argparse.Namespace) -> str | None:
    if args.method not in SEARCHES and (args.reward or args.gpus):
        return (
            '`--method` should be a search where a reward or GPUs are given. '
            f'Found {args.method!r}.'
        )
    if (args.method == 'policy') != (args.policy is not None):
        return (
            '`--policy FILE` should be given with `--method policy`, and only '
            f'with it. Found {args.policy or "none"} and the method '
            f'{args.method!r}.'
        )
    return None


def train(parser: argparse.ArgumentParser) -> None:
    """Train, explore, or explore and then train, as the config says.

    example:
      mmada train my_config.py --work-dir work_dirs/my_run --resume
    """
    parser.add_argument('config', type=existing_file, help='train config file')
    parser.add_argument(
        '--amp', action='store_true', help='automatic mixed precision'
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the batch size, as `auto_scale_lr` '
        'of the config says',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        type=checkpoint_or_auto,
        help='go on from this checkpoint, or from the latest of the work '
        'directory when none is named',
    )
    _add_run_arguments(parser)


def test(parser: argparse.ArgumentParser) -> None:
    """Test a checkpoint: metrics, and on demand predictions and pictures.

    example:
      mmada test my_config.py work_dirs/my_config/epoch_12.pth
    """
    parser.add_argument('config', type=existing_file, help='test config file')
    parser.add_argument('checkpoint', type=checkpoint, help='checkpoint file')
    parser.add_argument(
        '--out', help='write the predictions to this file, .pkl or .pickle'
    )
    parser.add_argument(
        '--show-dir',
        help='write painted images to this folder, below the folder of this '
        'test in the work directory',
    )
    _add_run_arguments(parser)


def test_problem(args: argparse.Namespace) -> str | None:
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        return f'--out should end in .pkl or .pickle. Found {args.out}.'
    return None


def report(parser: argparse.ArgumentParser) -> None:
    """Write a page on what a run did, and whether to trust it.

    The page is WORK_DIR/report/report.html.

    example:
      mmada report work_dirs/run --baseline work_dirs/ones --images 12
    """
    parser.add_argument(
        'work_dir', type=run_directory, help='of a run, finished or not'
    )
    parser.add_argument(
        '--compare',
        type=run_directory,
        nargs='+',
        default=[],
        metavar='OTHER',
        help='work directories of other runs to show beside it',
    )
    parser.add_argument(
        '--baseline',
        type=Path,
        metavar='WORK_DIR_OR_CKPT',
        help='of a panoptic model: a training to compare test images and '
        'classes with; both models are evaluated once, which takes as long '
        'as two tests',
    )
    parser.add_argument(
        '--images',
        type=at_least(0),
        default=12,
        metavar='N',
        help='test images to show with --baseline; default: 12',
    )
    parser.add_argument(
        '--watch',
        type=at_least(1),
        metavar='SECONDS',
        help='write the report again and again until the run is over',
    )


def inspect(parser: argparse.ArgumentParser) -> None:
    """Describe what a policy file would do, before a training is spent on it.

    Of a curve file, which a search for Auto Seg-Loss leaves, it prints the
    control points.

    With a config it also measures the losses of the first batches, and prints
    the weights for them: those that a training would start with if its hook
    has `initial_losses='probe'`. The exit status is 2 if the file or the
    config cannot be used, else 0; warnings do not change it.

    example:
      mmada inspect work_dirs/search/policy.safetensors --config my_config.py
    """
    parser.add_argument(
        'file', type=existing_file, help='a policy file, or a curve file'
    )
    parser.add_argument(
        '--epochs',
        type=at_least(1),
        help='epochs of the training to look ahead to, or periods where the '
        'hook has an `interval`; default: those of the config on one GPU, or '
        '12',
    )
    parser.add_argument(
        '--config', type=existing_file, help='of a training, for a dry run'
    )
    _add_start(parser)
    parser.add_argument(
        '--disagreement',
        type=at_least(1, float),
        default=3.0,
        help='ratio between two policies of the ensemble from which on they '
        'are said to disagree; default: 3',
    )
    _add_json(parser)


def inspect_problem(args: argparse.Namespace) -> str | None:
    if args.checkpoint is not None and args.config is None:
        return '--checkpoint needs --config'
    return None


def diagnose(parser: argparse.ArgumentParser) -> None:
    """Say which loss dominates, which hardly counts, and which conflict.

    Measures, on a few batches and without a step, the gradient that each
    loss gives the parameters that all share. A stock config does, or one with
    a hook or a search. Prints a table, advice in words, and where the picture
    is. The exit status is 2 if the config cannot be used, else 0.

    example:
      mmada diagnose my_config.py --checkpoint detector.pth
    """
    parser.add_argument('config', type=existing_file, help='of a training')
    _add_start(parser)
    parser.add_argument(
        '--batches', type=at_least(2), default=8, help='to look at; default: 8'
    )
    parser.add_argument(
        '--figure',
        type=Path,
        help='PNG to write; default: work_dirs/<name of the config>/'
        'gradients.png',
    )
    _add_json(parser)
    add_config_overrides(parser)


def diagnose_problem(args: argparse.Namespace) -> str | None:
    if args.figure is not None and args.figure.suffix != '.png':
        return f'--figure should end with .png. Found {args.figure}.'
    return None


def plan(parser: argparse.ArgumentParser) -> None:
    """Say what a search will cost, before it is begun.

    Rounds, waves, iterations, evaluated images, wall and GPU time, disk,
    network and memory, for 1, 8, 64 and 256 GPUs. Builds model and data as a
    run does, and asks the controller with made-up scores. The exit status is
    1 if the search cannot run on --gpus, 2 if the config cannot be used.

    example:
      mmada plan my_config.py --gpus 16 --iteration-seconds 1.2
    """
    parser.add_argument('config', type=existing_file, help='of a search')
    parser.add_argument(
        '--gpus',
        type=at_least(1),
        metavar='N',
        help='a further number of GPUs',
    )
    times = parser.add_mutually_exclusive_group()
    times.add_argument(
        '--iteration-seconds',
        type=float,
        metavar='S',
        help="of an iteration with a replica's whole batch, on one GPU",
    )
    times.add_argument(
        '--probe',
        action='store_true',
        help='time a few iterations and evaluated images on this machine',
    )
    parser.add_argument(
        '--image-seconds',
        type=float,
        metavar='S',
        help='of an evaluated image, on one GPU; default: a third of an '
        "iteration's time for an image",
    )
    _add_json(parser)
    add_config_overrides(parser)


def plan_problem(args: argparse.Namespace) -> str | None:
    for name in ('iteration_seconds', 'image_seconds'):
        value = getattr(args, name)
        if value is not None and not 0 < value < float('inf'):
            option = name.replace('_', '-')
            return f'--{option} should be positive. Found {value}.'
    if args.image_seconds is not None and args.iteration_seconds is None:
        return '--image-seconds goes with --iteration-seconds'
    return None


def check_data(parser: argparse.ArgumentParser) -> None:
    """Check panoptic data sets before a long run.

    Looks at the annotation file, at the files it names and into all of them,
    says what is wrong and what that does. Of a config it checks all panoptic
    data sets, and that no image is both trained on and scored. The exit code
    is 1 if there are errors, 0 with warnings alone, 2 if nothing could be
    checked.

    examples:
      mmada check-data my_config.py
      mmada check-data ANN_FILE SEG_DIR IMG_DIR --dataset CocoPanopticDataset
    """
    parser.add_argument(
        'paths',
        type=existing_path,
        nargs='+',
        help='CONFIG, or ANN_FILE SEG_DIR IMG_DIR',
    )
    parser.add_argument(
        '--dataset',
        help='dataset class to compare the categories with, such as '
        'ADE20KPanopticDataset; a config names it itself',
    )
    parser.add_argument(
        '--sample',
        type=at_least(0),
        help='open that many images, spread evenly, instead of all',
    )
    parser.add_argument(
        '--workers',
        type=int,
        help='processes that open images; default: one for each core, up to 8',
    )
    _add_json(parser)


def check_data_problem(args: argparse.Namespace) -> str | None:
    if len(args.paths) not in (1, 3):
        return 'give a CONFIG, or ANN_FILE SEG_DIR IMG_DIR'
    if len(args.paths) == 1 and args.dataset:
        return '--dataset is for ANN_FILE SEG_DIR IMG_DIR'
    return None


def check_reward(parser: argparse.ArgumentParser) -> None:
    """Check that the reward of a config can be believed, before a long run.

    Scores checkpoints of the detector through the very path of the
    exploration's rewards (`reward_dataloader`, `reward_evaluator`,
    `reward_metric`; the test data for a config without an exploration) and
    says in plain words what cannot be right.

    example:
      mmada check-reward my_config.py detector.pth --max-images 200
    """
    parser.add_argument('config', type=existing_file, help='config file')
    parser.add_argument(
        'checkpoints',
        type=checkpoint,
        nargs='+',
        metavar='CHECKPOINT',
        help='of the detector, bare or wrapped; of several it is checked, '
        'too, whether their rewards differ',
    )
    parser.add_argument(
        '--max-images',
        type=at_least(1),
        metavar='N',
        help='score the first N images only',
    )
    parser.add_argument(
        '--strict', action='store_true', help='exit with 1 on a warning'
    )
    add_config_overrides(parser)


def split(parser: argparse.ArgumentParser) -> None:
    """Hold some training images out, to reward an exploration on them.

    The ids of the images that are held out are written beside the annotation
    file, `..._proxy_reward.txt`, or where the config of a search expects
    them; the dataset `ImageSubset` takes the list. Annotations, images and
    segment maps stay where they are.

    example:
      mmada split data/coco/annotations/panoptic_train2017.json
      mmada split my_search.py --group-by "^[^/]+"
    """
    parser.add_argument(
        'source',
        type=existing_file,
        metavar='ANN_FILE_OR_CONFIG',
        help='such as panoptic_train2017.json, or the config of a search',
    )
    parser.add_argument(
        '--num-reward',
        type=int,
        help='default: a tenth of the images, at most 10000',
    )
    parser.add_argument(
        '--group-by',
        metavar='REGEX',
        help='images whose names agree in what it finds stay together, such '
        'as the frames of a video; default: each is alone',
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--out',
        type=Path,
        help='file to write, <ann_file>_proxy_reward.txt unless given',
    )


def verify(parser: argparse.ArgumentParser) -> None:
    """Verify what a work directory holds and say where a resume goes on.

    Changes nothing and needs no config. The exit status is 1 if something is
    damaged, 2 if WORK_DIR is no directory, else 0, also where nothing is
    there to resume.

    example:
      mmada verify work_dirs/run
    """
    parser.add_argument('work_dir', type=run_directory, help='of a run')
    _add_json(parser)


def demo(parser: argparse.ArgumentParser) -> None:
    """Explore loss weights, train with the policy and show what it gained.

    A second call reuses what is complete and resumes what is not.

    example:
      mmada demo --size quick
    """
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/demo'),
        help='default: work_dirs/demo',
    )
    parser.add_argument('--size', choices=('full', 'quick'), default='full')
    parser.add_argument('--seed', type=int, default=0)
