"""The diff of the front pages is one of a config that MMDetection has."""

from __future__ import annotations

from pathlib import Path

import mmdet
import pytest
from mmengine.config import Config
from mmengine.registry import HOOKS

import mmada  # noqa: F401  registers the hook
from tests.test_docs.pages import DOCS, REPO, read_blocks

CONFIGS = Path(mmdet.__path__[0], '.mim/configs')
STOCK = CONFIGS / 'panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'


def apply(diff: str, text: str) -> str:
    """Applies hunks without line numbers; each has to fit in one place."""
    for hunk in diff.split('@@\n')[1:]:
        lines = hunk.splitlines(keepends=True)
        old = ''.join(line[1:] for line in lines if line[0] in ' -')
        new = ''.join(line[1:] for line in lines if line[0] in ' +')
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize('page', [REPO / 'README.md', DOCS / 'index.md'])
def test_the_diff_is_one_of_the_stock_config(
    page: Path, tmp_path: Path
) -> None:
    (block,) = (b for b in read_blocks(page) if b.language == 'diff')
    bases = STOCK.read_text().replace("'../", f"'{CONFIGS}/")
    stock, changed = tmp_path / 'stock.py', tmp_path / 'changed.py'
    stock.write_text(bases)
    text = apply(block.text, STOCK.read_text())
    changed.write_text(text.replace("'../", f"'{CONFIGS}/"))
    before, after = Config.fromfile(stock), Config.fromfile(changed)
    settings = {'custom_imports', 'optim_wrapper', 'custom_hooks'}
    assert {
        key for key in after if key not in before or after[key] != before[key]
    } == settings
    assert after.optim_wrapper.optimizer == dict(
        type='AdamW', lr=0.0001, weight_decay=0.05
    )
    assert after.optim_wrapper.type == before.optim_wrapper.type
    (hook,) = after.custom_hooks
    assert HOOKS.build(hook)
