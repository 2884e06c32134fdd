"""AmpOptimWrapper on a GPU: float16 with a GradScaler, and bfloat16."""

import pytest
import torch

from tests.support import toy
from tests.test_engine.test_training_features import uses

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='float16 asks for a GPU'
)

HALF = dict(
    type='AmpOptimWrapper',
    dtype='float16',
    loss_scale=dict(init_scale=16.0, growth_interval=2),
)
BRAIN = dict(type='AmpOptimWrapper', dtype='bfloat16')


@pytest.mark.parametrize('optim', [HALF, BRAIN], ids=['float16', 'bfloat16'])
@pytest.mark.parametrize('use', [*uses.USES, 'both'])
def test_half_precision_comes_near_to_float32(tmp_path, use, optim):
    full = uses.run(use, tmp_path / 'full', model=toy.SMOOTH)
    half = uses.run(use, tmp_path / 'half', model=toy.SMOOTH, optim=optim)
    assert uses.largest_difference(full, half) > 0
    uses.assert_close(full, half, rtol=0.1, atol=0.1)
