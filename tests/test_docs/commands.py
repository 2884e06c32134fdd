"""What a command line of the documentation relies on."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from pathlib import Path

from mmada.commands.command_line import COMMANDS
from tests.test_docs.pages import REPO

TESTS = {
    path: path.read_text() for path in sorted((REPO / 'tests').rglob('*.py'))
}
_MAKEFILE = (REPO / 'Makefile').read_text()
_INSTALLATION = (REPO / 'mmada' / '_stack.py').read_text() + _MAKEFILE


def split_commands(text: str) -> list[str]:
    """Returns the commands of a block, continued lines joined."""
    text = re.sub(r'\\\n\s*', ' ', text)
    lines = (re.sub(r'(^|\s)#.*$', '', line) for line in text.splitlines())
    return [line.strip() for line in lines if line.strip()]


def problem_of(command: str) -> str:
    """Tells what is wrong with a command; '' if nothing is.

    A script has to be there, to know the options that it is given, and to be
    named by a test. What installs something is compared with what the set-up
    itself says.
    """
    words = shlex.split(command)
    while words and re.match(r'^[A-Z_]+=', words[0]):
        words = words[1:]
    if not words or words[0] == 'export':
        return ''
    if words[0] == 'make':
        return _problem_of_make(words[1:])
    if words[0] == 'torchrun' and '-m' in words:
        words = words[words.index('-m') + 1 :]
    if words[0] == 'mmada':
        return _problem_of_mmada(words[1:])
    if words[0] == 'pip':
        return '' if _is_known_install(words) else 'an unknown installation'
    if words[:3] == ['python', '-m', 'pytest']:
        return _problem_of_paths(words[3:])
    if words[0] == 'python':
        words = words[1:]
    return _problem_of_script(words)


def _problem_of_make(words: list[str]) -> str:
    target = words[0]
    if not re.search(rf'^{re.escape(target)}:', _MAKEFILE, re.M):
        return f'the Makefile has no target {target}'
    return ''


def _problem_of_mmada(words: list[str]) -> str:
    name = words[0]
    if name not in COMMANDS:
        return f'mmada has no command {name}'
    unknown = _given(words) - _options_of(name)
    return f'mmada {name} has no {", ".join(unknown)}' if unknown else ''


def _given(words: list[str]) -> set[str]:
    return {w.partition('=')[0] for w in words if w.startswith('--')}


def _options_of(name: str) -> set[str]:
    """Returns the options of a command of `mmada`."""
    parser = argparse.ArgumentParser()
    COMMANDS[name].add_arguments(parser)
    return set(parser._option_string_actions)


def _is_known_install(words: list[str]) -> bool:
    plain = re.sub(r'["\']|\\\n\s*', '', _INSTALLATION)
    if ' '.join(words) in ' '.join(plain.split()):
        return True
    if words[2:] == ['.']:
        return True
    extras = re.fullmatch(r'\.\[(.+)\]', words[-1])
    known = (REPO / 'setup.cfg').read_text()
    return bool(extras) and all(
        re.search(rf'^{name} = file:', known, re.M)
        for name in extras[1].split(',')
    )


def _problem_of_paths(words: list[str]) -> str:
    missing = [
        word
        for word in words
        if word.startswith('tests/')
        and not (REPO / word.partition('::')[0]).exists()
    ]
    return f'there is no {", ".join(missing)}' if missing else ''


def _problem_of_script(words: list[str]) -> str:
    script = REPO / words[0]
    if not script.is_file():
        return f'there is no {words[0]}'
    stem = re.escape(script.stem)
    pattern = re.compile(rf"\b{stem}\.(py|sh)\b|'{stem}'|import {stem}\b")
    if not any(pattern.search(text) for text in TESTS.values()):
        return f'no test names {words[0]}'
    given = _given(words)
    unknown = given - _options(script) if script.suffix == '.py' else set()
    return f'{words[0]} has no {", ".join(sorted(unknown))}' if unknown else ''


def _options(script: Path) -> set[str]:
    """Returns the options in a script and the modules beside it."""
    caller = re.search(r"run_script\('([\w-]+)'", script.read_text())
    if caller:
        return _options_of(caller[1])
    tree = ast.parse(script.read_text())
    sources = [tree]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            beside = script.with_name(f'{node.module}.py')
            if beside.is_file():
                sources.append(ast.parse(beside.read_text()))
    return {
        node.value
        for source in sources
        for node in ast.walk(source)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith('--')
    }
