"""What the tests of a family share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import DefaultScope, init_default_scope

from tests.support.tiny_annotations import write_annotations
from tests.test_families.exploring import OFFSET, SIZE, explore
from tests.test_families.models import Reference, reference


@pytest.fixture(scope='package')
def truth(tmp_path_factory: Any) -> Path:
    """A folder of annotation files of the reward images."""
    folder: Path = tmp_path_factory.mktemp('truth')
    write_annotations(folder, OFFSET, SIZE)
    return folder


@pytest.fixture(scope='class')
def family_scope(request: Any) -> Iterator[None]:
    """Builds from where the family is registered, and leaves no trace."""
    torch.set_num_threads(1)
    kept = dict(DefaultScope._instance_dict)
    init_default_scope(request.cls.family.scope)
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(kept)


@pytest.fixture(scope='class')
def known(request: Any, family_scope: None) -> Reference:
    """Gradients of the bare detector."""
    return reference(request.cls.family)


@pytest.fixture(scope='class')
def explored(
    request: Any, family_scope: None, truth: Path, tmp_path_factory: Any
) -> Path:
    """Work directory of an exploration."""
    folder: Path = tmp_path_factory.mktemp('explored')
    explore(request.cls.family, folder, truth)
    return folder
