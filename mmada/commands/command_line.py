"""The command line of `mmada`: finds a command, and runs it.

Imports the standard library alone, so that `--help` and a mistyped option are
answered at once.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import os
import runpy
import select
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

# The console script imports this folder under another name.
from . import arguments


class Command(NamedTuple):
    """A command of `mmada`.

    Attributes:
        module: Its module in `mmada.commands`; the function `run` there gets
            the arguments and returns the exit code.
        add_arguments: Adds them to a parser; its docstring is the help text.
        find_problem: Returns in what they do not fit together, if anything.
        notice: Said first of all, on the standard error, by a command that
            is silent for long.
    """

    module: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    find_problem: Callable[[argparse.Namespace], str | None] | None = None
    notice: str = ''

    @property
    def options(self) -> dict[str, Any]:
        """Options of its parser."""
        return dict(
            description=inspect.getdoc(self.add_arguments),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    @property
    def summary(self) -> str:
        """The first line of its help text."""
        return str(inspect.getdoc(self.add_arguments)).partition('\n')[0]


@contextlib.contextmanager
def ends_with_reader() -> Iterator[None]:
    """End a script silently where the reader of its output does, as `head`.

    A decorator of its `main`. Any other broken pipe is an error.
    """
    try:
        try:
            yield
        except SystemExit:  # such as that of `--help`
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except BrokenPipeError:
        if not _reader_left():
            raise
        raise SystemExit(1) from None


@ends_with_reader()
def main(argv: list[str] | None = None) -> int:
    """Run `mmada COMMAND ...`; return the exit code."""
    parser = argparse.ArgumentParser(
        prog='mmada',
        description='Learned loss weights for MMDetection. `mmada COMMAND '
        '--help` describes a command.',
    )
    parser.add_argument('--version', action='version', version=_version())
    parsers = parser.add_subparsers(dest='command', metavar='COMMAND')
    found = {}
    for name, command in COMMANDS.items():
        found[name] = parsers.add_parser(
            name, help=command.summary, **command.options
        )
        command.add_arguments(found[name])
    args, unknown = parser.parse_known_args(argv)
    if unknown:  # with the usage of the command, which lists its options
        found.get(args.command, parser).error(
            f'unrecognized arguments: {" ".join(unknown)}'
        )
    if args.command is None:
        parser.print_help(sys.stderr)
        return 2
    args.prog = f'mmada {args.command}'
    return _run(COMMANDS[args.command], args, found[args.command])


def _version() -> str:
    """Read the version without the package, which takes seconds to import."""
    file = Path(__file__).resolve().parents[1] / 'version.py'
    return f'mmada {runpy.run_path(str(file))["__version__"]}'


@ends_with_reader()
def run_script(name: str, file: str, argv: list[str] | None = None) -> int:
    """Run a command as a script of `tools/` does; return the exit code.

    Args:
        name: Of the command.
        file: Of the script, which messages begin with.
        argv: Its arguments, by default those of the process.
    """
    command = COMMANDS[name]
    path = Path(file)
    parser = argparse.ArgumentParser(prog=path.name, **command.options)
    command.add_arguments(parser)
    args = parser.parse_args(argv)
    args.prog = path.stem
    return _run(command, args, parser)


def _run(
    command: Command, args: argparse.Namespace, parser: argparse.ArgumentParser
) -> int:
    if command.find_problem and (problem := command.find_problem(args)):
        parser.error(problem)
    if command.notice:
        print(command.notice, file=sys.stderr, flush=True)
    # What mmdet prints when it is imported is no output of a command.
    with contextlib.redirect_stdout(sys.stderr):
        module = importlib.import_module(f'mmada.commands.{command.module}')
    code: int = module.run(args)
    return code


def _reader_left() -> bool:
    """Return whether what the output is piped into has ended, as `head` does.

    Nothing is written any more then, so that Python's exit is silent.
    """
    output = sys.stdout.fileno()
    poll = select.poll()
    poll.register(output, 0)
    if not poll.poll(0):
        return False  # another pipe broke
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


COMMANDS = {
    'adapt': Command(
        'adapt.adapt',
        arguments.adapt,
        arguments.adapt_problem,
        'Reading the stock config, and for most methods also building '
        'its model and showing it two images: about a minute on a CPU.',
    ),
    'train': Command('train', arguments.train),
    'test': Command('test', arguments.test, arguments.test_problem),
    'report': Command('report', arguments.report),
    'inspect': Command(
        'inspect', arguments.inspect, arguments.inspect_problem
    ),
    'plan': Command(
        'plan',
        arguments.plan,
        arguments.plan_problem,
        'Building model and data sets, and counting what the search runs: '
        'about a minute on a CPU, more where annotations are large.',
    ),
    'diagnose': Command(
        'diagnose',
        arguments.diagnose,
        arguments.diagnose_problem,
        'Building the model and measuring the gradient of each loss in a few '
        'batches: minutes on a CPU.',
    ),
    'check-data': Command(
        'check_data', arguments.check_data, arguments.check_data_problem
    ),
    'check-reward': Command('check_reward', arguments.check_reward),
    'split': Command('split', arguments.split),
    'verify': Command('verify', arguments.verify),
    'demo': Command('demo.demo', arguments.demo),
}
