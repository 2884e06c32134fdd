# Baseline-P: population-based training. The best replica goes on, its weights
# are perturbed. The result is the last winner, explored.pth.
_base_ = '../ada/ablations/cascade_panoptic_tiny_scenes_explored.py'

train_cfg = dict(
    controller=dict(_delete_=True, type='PopulationTraining', num_replicas=4)
)
