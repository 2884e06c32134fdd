"""Work directories of earlier versions go on, to the bits of those versions.

The files in `kept` were written by the version that their folder names. What
they must lead to is what a whole run of that version found.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from mmada.engine import load_policy, save_policy
from mmada.surrogates import load_curve, save_curve
from tests.test_earlier_versions.cases import (
    CALLS,
    CASES,
    CURVE,
    CUT,
    ERROR,
    KEPT,
    MADE_WITH,
    POLICY,
    USED,
    WEIGHTS,
    WHOLE,
    made_with,
    start,
)

VERSIONS = sorted(path.name for path in KEPT.iterdir())
# Of the content of a file: these differ wherever a number does.
DIGESTS = 'digest', 'sha256'
# Names of parameters, which digests cover, had a prefix in these.
PREFIXED = ('0.1.0',)


def kept(pattern: str) -> pytest.MarkDecorator:
    """Returns all files or folders of a pattern as parameters."""
    found = sorted(KEPT.glob(pattern))
    assert found
    names = [str(path.relative_to(KEPT)) for path in found]
    return pytest.mark.parametrize('path', found, ids=names)


@pytest.fixture(scope='module')
def resumed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By version, where a copy of its work directories was resumed."""
    folders = {}
    for version in VERSIONS:
        folders[version] = folder = tmp_path_factory.mktemp(version)
        names = [path.parent.name for path in KEPT.glob(f'{version}/*/{CUT}')]
        for name in names:
            shutil.copytree(KEPT / version / name / CUT, folder / name)
        done = start(folder, names)
        assert done.returncode == 0, done.stdout
    return folders


@kept('*/*/')
def test_a_cut_run_goes_on_to_what_the_whole_one_found(
    path: Path, resumed: dict[str, Path]
) -> None:
    version, name = path.parts[-2:]
    case = CASES[name]
    if case.needs:
        pytest.importorskip(case.needs)
    work_dir, whole = resumed[version] / name, path / WHOLE
    if (work_dir / ERROR).exists():
        pytest.fail((work_dir / ERROR).read_text())
    assert calls(work_dir) < calls(whole)  # it did not begin anew

    found = {Path(name).name: work_dir / name for name in case.results}
    if case.model:
        found[WEIGHTS] = work_dir / WEIGHTS
        save_weights(work_dir / case.model, found[WEIGHTS])
    recorded = json.loads((KEPT / version / MADE_WITH).read_text())
    present = made_with()
    if present == recorded:
        for each, file in found.items():
            if version in PREFIXED:
                expected = without_digests(content(whole / each))
                assert without_digests(content(file)) == expected, each
            else:
                assert file.read_bytes() == (whole / each).read_bytes(), each
        return
    # Another torch, or another kind of processor, rounds otherwise.
    if case.needs and present[case.needs] != recorded[case.needs]:
        pytest.skip(f'another {case.needs} may draw other samples')
    for each, file in found.items():
        assert_close(content(file), content(whole / each), each)


def calls(folder: Path) -> int:
    return int((folder / CALLS).read_text())


def save_weights(checkpoint: Path, path: Path) -> None:
    """Writes the weights of a checkpoint as `make_files` does."""
    weights = torch.load(checkpoint, weights_only=False)['state_dict']
    safetensors.torch.save_file(weights, path)


def content(path: Path) -> Any:
    """Returns what a result holds as dicts, lists and numbers."""
    if path.suffix == '.safetensors':
        tensors = safetensors.torch.load_file(path)
        return {name: value.tolist() for name, value in tensors.items()}
    if path.suffix == '.jsonl':
        return [json.loads(line) for line in path.read_text().splitlines()]
    return json.loads(path.read_text())


def without_digests(value: Any) -> Any:
    """Returns a content without what changes with a name."""
    if isinstance(value, dict):
        return {
            key: without_digests(item)
            for key, item in value.items()
            if key not in DIGESTS
        }
    if isinstance(value, list):
        return [without_digests(item) for item in value]
    return value


def assert_close(found: Any, expected: Any, where: str) -> None:
    """Asserts that two contents differ by rounding at most."""
    assert type(found) is type(expected), where
    if isinstance(expected, dict):
        assert list(found) == list(expected), where
        for key in expected.keys() - set(DIGESTS):
            assert_close(found[key], expected[key], f'{where}.{key}')
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for index, pair in enumerate(zip(found, expected, strict=True)):
            assert_close(*pair, f'{where}[{index}]')
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-4), where
    else:
        assert found == expected, where


def test_each_case_is_kept() -> None:
    assert {path.name for path in KEPT.glob('*/*/')} == set(CASES)


@kept(f'*/*/{WHOLE}/{POLICY}')
def test_a_policy_file_means_what_it_did(path: Path, tmp_path: Path) -> None:
    """It is read and written to the same bytes, its objectives known."""
    ensemble = load_policy(path, objectives=('a', 'b'))
    again = save_policy(tmp_path / POLICY, ensemble)
    assert again.read_bytes() == path.read_bytes()


@kept(f'*/policy_weighting_hook/{WHOLE}/{USED}')
def test_a_policy_gives_the_weights_that_it_gave(path: Path) -> None:
    ensemble = load_policy(path.parents[1] / CUT / POLICY)
    rows = content(path)
    assert len(rows) == 5
    for row in rows:
        losses = torch.tensor(row['losses'], dtype=torch.float64)
        weights = ensemble.weights(row['epoch'], len(rows), losses)
        assert weights.tolist() == pytest.approx(row['weights'])


@kept(f'*/*/{WHOLE}/{CURVE}')
def test_a_curve_file_means_what_it_did(path: Path, tmp_path: Path) -> None:
    """It is read and written to the same bytes."""
    stored = load_curve(path)
    assert stored.metric == 'mIoU'
    assert list(stored.points) == content(path)['points']
    again = save_curve(
        tmp_path / CURVE, stored.metric, stored.points, stored.provenance
    )
    assert again.read_bytes() == path.read_bytes()


def test_no_kept_file_names_a_place_of_the_machine_that_wrote_it() -> None:
    places = re.compile(rb'/(home|root|tmp|var|mnt|opt|usr|Users|work)/')
    files = [path for path in KEPT.rglob('*') if path.is_file()]
    assert len(files) > 50
    for path in files:
        assert not places.search(path.read_bytes()), path
