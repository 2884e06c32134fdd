"""Explores tiny detectors on several ranks.

Arguments: a folder, in which DETECTOR/RANKS_PER_REPLICA are the work
directories; detectors and numbers of ranks per replica, as a JSON object.
"""

import json
import os
import sys

import torch.distributed as torch_dist

from tests.support import processes, tiny_detectors

folder, variants = sys.argv[1], json.loads(sys.argv[2])
options = processes.join()
for name, sizes in variants.items():
    for size in sizes:
        tiny_detectors.runner(
            name,
            f'{folder}/{name}/{size}',
            dict(ranks_per_replica=size, replica_timeout=60),
            **options,
        ).train()
torch_dist.barrier()
# Gloo's threads at times abort a process that ends the ordinary way.
os._exit(0)
