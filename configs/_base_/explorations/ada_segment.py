# The paper's search. All eight GPUs train one replica at a time, so that it
# has 16 images a step, two on each GPU, as a training has.
search_batch = 16
search = dict(
    type='ParallelExplorationLoop',
    iters_per_round=None,  # one epoch
    ranks_per_replica=8,
    controller=dict(
        type='AdaSegment',
        preset='paper',
        num_replicas=8,
        hidden=16,
        sigma=0.2,
        lr=0.05,
        weight_decay=0.0005,
        gamma=0.9,
    ),
    reward_metric='coco_panoptic/PQ',
)
