"""Probes a model whose losses differ from rank to rank.

Argument: the objectives, as JSON. Prints their names and the owners.
"""

import json
import sys

from tests import ranks
from tests.test_engine.test_losses.test_probe import (
    build,
    build_auto,
    owners,
    probe,
    stream,
)

ranks.join()
objectives = json.loads(sys.argv[1])
live = build_auto('LateDetector') if objectives == 'auto' else build()
# Only rank 1 has a batch with the loss b, its second one.
rank = ranks.torch_dist.get_rank()
probe(live, stream(1 if rank == 1 else None))
print(json.dumps([live.model.objectives.names, owners(live)]))
ranks.leave()
