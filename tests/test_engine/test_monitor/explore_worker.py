"""Explores and then trains the toy; the argument is the work directory."""

import sys

from tests.support import toy

toy.runner(
    sys.argv[1],
    train_cfg=dict(
        type='ExploreThenTrainLoop',
        exploration=toy.exploration(log_interval=1),
        training=dict(type='EpochBasedTrainLoop', max_epochs=2),
    ),
    log_level='INFO',
).train()
