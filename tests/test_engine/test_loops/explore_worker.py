"""Explores the toy problem in processes that a test may kill."""

import time

from mmada.engine.distributed import shares
from mmada.models import inner_model
from tests.support import processes, toy


def explore(work_dir, **options):
    """Explores, or what is left of it.

    Args:
        work_dir: Directory of the run.
        **options: Of the loop.
    """
    toy.runner(
        work_dir,
        train_cfg=toy.exploration(**options),
        resume=True,
        **processes.join(),
    ).train()


def explore_unevenly(work_dir, **options):
    """Explores on ranks of which the last is three times slower.

    A replica has six passes, and takes 0.6 s or 1.8 s. Prints how many it
    has trained.
    """
    shares.LEAST_LEAD = 0.3
    runner = toy.runner(
        work_dir, train_cfg=toy.exploration(**options), **processes.join()
    )
    last = runner.rank == processes.world_size() - 1
    trained = []

    def pause(module, args):
        trained.append(module.training)
        time.sleep(0.3 if last else 0.1)

    inner_model(runner.model).register_forward_pre_hook(pause)
    runner.train()
    print(f'{sum(trained)} iterations')
