"""A trained model to look at, built without a runner."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint


def build_trained(config: Config, checkpoint: Path) -> Any:
    """Return the config's model with a checkpoint, ready to predict.

    Args:
        config: Of the run that wrote the checkpoint; its model loses what
            it would be initialised from.
        checkpoint: The file.
    """
    init_default_scope(config.get('default_scope', 'mmdet'))
    config.model.init_cfg = None
    network = MODELS.build(config.model).to(get_device())
    load_checkpoint(network, str(checkpoint), map_location='cpu')
    return network.eval()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what loading data and checkpoints prints off the screen."""
    with contextlib.redirect_stdout(io.StringIO()):
        logger = MMLogger.get_current_instance()
        level = logger.level
        logger.setLevel('ERROR')
        try:
            yield
        finally:
            logger.setLevel(level)
