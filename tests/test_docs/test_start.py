"""The commands of the first page follow from each other."""

from __future__ import annotations

import re

from mmengine.config import Config

from tests.test_docs.pages import DOCS, REPO

PAGE = (DOCS / 'start.md').read_text()


def test_the_search_starts_from_what_was_trained_before() -> None:
    path = re.search(r'MMADA_PRETRAINED=(\S+)/epoch_(\d+)\.pth', PAGE)
    trained = re.search(r'mmada train (configs/\S+)_pretrain\.py', PAGE)
    assert path and trained
    config = REPO / f'{trained[1]}_pretrain.py'
    assert path[1] == f'work_dirs/{config.stem}'
    assert int(path[2]) == Config.fromfile(config).train_cfg.max_epochs


def test_the_report_is_of_the_search() -> None:
    shown = re.search(r'mmada report (work_dirs/(\S+))', PAGE)
    assert shown
    assert f'mmada train configs/ada/{shown[2]}.py' in PAGE
    assert f'`{shown[1]}` then holds' in PAGE
