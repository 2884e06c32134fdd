"""The full-size cascade trains on real images, where there are some."""

import os
import re
from pathlib import Path

import pytest

from tests.support.scripts import load

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(
    os.environ.get(
        'MMADA_COCO_SAMPLE', ROOT / '../shared/data/coco_panoptic_sample'
    )
)


@pytest.mark.slow
@pytest.mark.skipif(
    not DATA.is_dir(), reason='MMADA_COCO_SAMPLE names no folder of images'
)
def test_one_iteration(capsys):
    script = load('benchmarks/speed/real_images.py')
    script.main([str(DATA), '--iters', '1', '--scale', '192', '128'])
    output = capsys.readouterr().out
    assert 'deformable convolutions: yes' in output
    assert re.search(r'^loss of the last iteration: \d+\.\d+$', output, re.M)
    # The weights, their gradients and the momentum alone take 900 MB.
    assert int(re.search(r'memory: (\d+) MB at most', output)[1]) > 1400


def test_exploration_config_holds_the_images_everywhere(tmp_path):
    script = load('benchmarks/speed/real_images.py')
    config = script.make_config(tmp_path, 3, (192, 128), 'work')
    assert 'data/coco' not in str(
        [
            config.train_dataloader,
            config.val_dataloader,
            config.val_evaluator,
            config.train_cfg,
        ]
    )
    assert config.train_cfg.exploration.num_rounds == 1
    assert config.train_cfg.exploration.iters_per_round == 3
