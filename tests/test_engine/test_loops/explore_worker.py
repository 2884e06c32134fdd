"""Explores the toy problem in processes that a test may kill."""

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
