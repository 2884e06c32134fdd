"""Learning rates of an exploration and of the training after it."""

import json

import torch.distributed as dist

from tests.support import processes, toy


def train(work_dir, **auto_scale_lr):
    """Writes the rates that were in force to `found.json`."""
    joined = processes.join()
    alone = toy.runner(
        work_dir / 'alone',
        train_cfg=toy.exploration(num_rounds=1),
        auto_scale_lr=auto_scale_lr,
        **joined,
    )
    found = {}
    try:
        alone.train()
    except ValueError as error:
        found['error'] = str(error)

    runner = toy.runner(
        work_dir / 'both',
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(
                num_rounds=1, dataloader=dict(toy.dataloader(), batch_size=2)
            ),
            training=dict(type='EpochBasedTrainLoop', max_epochs=1),
        ),
        custom_hooks=[dict(type='PolicyWeightingHook')],
        auto_scale_lr=auto_scale_lr,
        log_level='WARNING',
        **joined,
    )
    loop = runner.build_train_loop(runner._train_loop)
    with loop._exploration_scope(loop.explorations[0]) as live:
        found['exploration'] = live.optim_wrapper.get_lr()['base_lr'][0]
    runner._train_loop = loop
    runner.train()
    (group, *_) = runner.optim_wrapper.param_groups
    found['training'] = group['initial_lr']
    if not dist.is_initialized() or dist.get_rank() == 0:
        (work_dir / 'found.json').write_text(json.dumps(found))
