"""Do MMDetection's own tests pass with every model weighted?

Runs tests of a checkout of MMDetection twice, the second time with models
whose losses are weighted by ones. Shows the tests that pass bare only, and
those that find other losses. The checkout should be of the installed release.

This file is also the plugin of pytest that both runs use.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

TESTS = (
    'tests/test_models/test_detectors',
    'tests/test_models/test_mot',
    'tests/test_models/test_tta',
    'tests/test_engine',
    'tests/test_apis',
)
PASSED = 'passed'

Outcome = dict[str, Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that tell the two runs apart."""
    parser.addoption('--weighted', action='store_true')
    parser.addoption('--outcomes', type=Path, required=True)


def pytest_configure(config: pytest.Config) -> None:
    """Weigh what is built, if this is the run for it, and note outcomes.

    Pretrained weights are left out: no test asks for what they are, and they
    would have to be fetched.
    """
    import mmdet.testing._utils
    from mmdet.models.detectors import kd_one_stage
    from mmengine.model.weight_init import PretrainedInit

    PretrainedInit.__call__ = lambda *_: None
    kd_one_stage.load_checkpoint = lambda *_, **__: None
    configs = str(config.rootpath / 'configs')
    mmdet.testing._utils._get_config_directory = lambda: configs
    if config.getoption('weighted'):
        weigh_all_models()
    config.pluginmanager.register(Outcomes(config.getoption('outcomes')))


def weigh_all_models() -> None:
    """Make registries and the Runner return weighted models."""
    import mmdet.registry
    import mmengine.registry
    from mmengine.runner import Runner

    build: Any = Runner.build_model
    Runner.build_model = lambda self, model: _weighted(build(self, model))
    for registry in (mmengine.registry.MODELS, mmdet.registry.MODELS):
        registry.build_func = _weighing(registry.build_func)


def _weighing(build: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that builds parts as ever and weighs the whole."""
    depth = 0

    def build_weighted(*args: Any, **kwargs: Any) -> Any:
        nonlocal depth
        depth += 1
        try:
            built = build(*args, **kwargs)
        finally:
            depth -= 1
        return built if depth else _weighted(built)

    return build_weighted


def _weighted(model: Any) -> Any:
    from mmengine.model import BaseModel

    from mmada.models import weigh_losses

    # With weights given, even none, the losses are indeed multiplied.
    return (
        weigh_losses(model, 'auto', {})
        if isinstance(model, BaseModel)
        else model
    )


class Outcomes:
    """Writes what came of each test, and the losses that it saw.

    Args:
        path: File for a line of JSON each.
    """

    def __init__(self, path: Path) -> None:
        from mmdet.models import BaseDetector
        from mmdet.models.mot import BaseMOTModel

        self.path = path
        self.losses: list[str] = []
        for kind in (BaseDetector, BaseMOTModel):
            kind.forward = self._noting(kind.forward)

    def _noting(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        def forward_and_note(model: Any, *args: Any, **kwargs: Any) -> Any:
            found = forward(model, *args, **kwargs)
            if kwargs.get('mode') == 'loss':
                self.losses.append(repr(float(model.parse_losses(found)[0])))
            return found

        return forward_and_note

    def pytest_runtest_setup(self) -> None:
        """Let both runs draw the same numbers."""
        self.losses.clear()
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the test itself, and what fails or skips around it."""
        if report.when == 'call' or not report.passed:
            self._write(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be read."""
        if not report.passed:
            self._write(report)

    def _write(self, report: Any) -> None:
        lines = str(report.longrepr or '').strip().splitlines()
        errors = [line[1:].strip() for line in lines if line[:2] == 'E ']
        outcome = dict(
            test=report.nodeid,
            outcome=report.outcome,
            losses=list(self.losses),
            error=(errors or lines[-1:] or [''])[0],
        )
        with self.path.open('a') as file:
            print(json.dumps(outcome), file=file)


def run_tests(
    checkout: Path, tests: list[str], *options: str
) -> dict[str, Outcome]:
    """Run tests of a checkout; return what came of each."""
    tools = Path(__file__).parent
    paths = [str(tools), str(tools.parents[1]), os.environ.get('PYTHONPATH')]
    env = dict(
        os.environ,
        PYTHONPATH=os.pathsep.join(filter(None, paths)),
        PYTHONDONTWRITEBYTECODE='1',
        PYTHONWARNINGS='ignore',
    )
    # Not the checkout's own options, which ask for plugins of its own.
    usual = ['-q', '-c', os.devnull, '--rootdir', '.']
    usual += ['-p', 'no:cacheprovider', '-p', 'no:warnings']
    with tempfile.TemporaryDirectory() as folder:
        outcomes = Path(folder) / 'outcomes'
        subprocess.run(
            [
                *(sys.executable, '-m', 'pytest', *usual),
                *('-p', Path(__file__).stem, '--outcomes', str(outcomes)),
                *(*options, *tests),
            ],
            cwd=checkout,
            env=env,
        )
        if not outcomes.exists():
            return {}
        rows = [json.loads(line) for line in outcomes.open()]
    # Where a test passes and what is around it fails, the failure counts.
    return {row['test']: row for row in rows}


def differences(
    bare: dict[str, Outcome], weighted: dict[str, Outcome]
) -> Iterator[str]:
    """Yield a line for each test that passes bare only or has other losses."""
    missing: Outcome = dict(outcome='missing', error='', losses=[])
    for test, expected in bare.items():
        found = weighted.get(test, missing)
        if expected['outcome'] != PASSED:
            continue
        if found['outcome'] != PASSED:
            yield f'{test}: {found["outcome"]}: {found["error"]}'
        elif found['losses'] != expected['losses']:
            yield f'{test}: {expected["losses"]} != {found["losses"]}'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkout', type=Path)
    parser.add_argument('tests', nargs='*', help='other tests than the usual')
    return parser.parse_args()


def main() -> None:
    """Run both and compare."""
    args = parse_args()
    usual = [test for test in TESTS if (args.checkout / test).exists()]
    tests = args.tests or usual
    bare = run_tests(args.checkout, tests)
    weighted = run_tests(args.checkout, tests, '--weighted')
    for name, outcomes in dict(bare=bare, weighted=weighted).items():
        counts = Counter(row['outcome'] for row in outcomes.values())
        losses = sum(len(row['losses']) for row in outcomes.values())
        print(f'{name}: {dict(counts)}, {losses} losses')
    found = list(differences(bare, weighted))
    print('\n'.join(found) if found else 'No test passes bare only.')
    raise SystemExit(int(bool(found) or not bare))


if __name__ == '__main__':
    main()
