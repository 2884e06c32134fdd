"""Fixtures of the tests of training features."""

from functools import partial

import pytest
import torch
from mmengine.optim.optimizer import amp_optimizer_wrapper


@pytest.fixture
def amp_on_cpu(monkeypatch):
    """Lets AmpOptimWrapper, which asks for an accelerator, act on the CPU."""
    scaler = partial(torch.amp.GradScaler, device='cpu')
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', scaler)
    monkeypatch.setattr(
        amp_optimizer_wrapper, 'is_cuda_available', lambda: True
    )
