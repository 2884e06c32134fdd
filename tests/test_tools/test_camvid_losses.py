"""Losses for mIoU on real images: the jobs, and one search and training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from mmada.models.efficientnet_lite import PACKAGE
from tests.support import scripts
from tests.support.mmseg_scope import mmseg_scope
from tests.support.tiny_camvid import make_camvid

__all__ = ['mmseg_scope']

jobs = scripts.load('benchmarks/auto_seg_loss/asl_jobs.py')
losses = scripts.load('benchmarks/auto_seg_loss/camvid_losses.py')


def test_every_loss_trains_with_every_seed(tmp_path: Path) -> None:
    found = losses.trainings(tmp_path, [3, 4])
    assert [job.seed for job in found] == [3] * 6 + [4] * 6
    assert len({job.key for job in found}) == 12
    searched = found[-1].losses[0]
    assert searched['theta'].startswith(str(tmp_path / 'search_mIoU'))
    assert searched['theta'].count('-3/') == 1  # the first seed is its own
    assert all(job.start == '' for job in found)
    (released,) = losses.trainings(tmp_path, [3], ['mIoU of VOC'])
    assert released == found[4]
    assert released.losses[0]['theta'] == 'voc_miou'


def test_a_table_is_made_from_kept_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = dict(
        key='Dice-CamVid-fpn-3', name='Dice', seed=3, scenes='CamVid'
    ) | dict(metrics=dict.fromkeys(jobs.METRICS, 12.5))
    (tmp_path / 'results.jsonl').write_text(json.dumps(record) + '\n')
    losses.main([str(tmp_path), '--seeds', '3', '--losses', 'Dice'])
    assert '| Dice | **12.5** |' in capsys.readouterr().out


def test_the_rewards_are_of_other_images() -> None:
    cfg = Config.fromfile(losses.ON_CAMVID['config'])
    train, reward = (
        cfg[f'{part}_dataloader'].dataset for part in ('train', 'reward')
    )
    assert train.ids_file == reward.ids_file
    assert (train.keep, reward.keep) == ('others', 'listed')
    assert cfg.test_dataloader.dataset.data_prefix.img == 'test/'


@pytest.mark.usefixtures('mmseg_scope')
def test_a_loss_is_searched_and_trained_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(PACKAGE)
    make_camvid(tmp_path / 'published')
    scripts.load('convert_camvid_panoptic.py').main(
        [str(tmp_path / 'published'), str(tmp_path / 'camvid')]
    )
    monkeypatch.setenv('MMADA_CAMVID', f'{tmp_path / "camvid"}/')
    size = losses.SIZE._replace(iters=1, rounds=2, replicas=2, search_iters=1)
    search = losses.search(0)
    training = losses.trainings(tmp_path, [0])[-1]
    assert training.name == 'searched mIoU'
    assert jobs.run(search, tmp_path, size)['metrics'] == {}
    metrics = jobs.run(training, tmp_path, size)['metrics']
    assert 0 <= metrics['mIoU'] <= 100
