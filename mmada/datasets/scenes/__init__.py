"""Generated scenes: a small panoptic data set that needs no download."""

from mmada.datasets.scenes.classes import scene_metainfo
from mmada.datasets.scenes.datasets import (
    ScenePanopticDataset,
    SceneSemanticDataset,
)
from mmada.datasets.scenes.folder import SceneOptions, make_scenes
from mmada.datasets.scenes.scene import Scene, draw_scene, scene_rng

__all__ = [
    'Scene',
    'SceneOptions',
    'ScenePanopticDataset',
    'SceneSemanticDataset',
    'draw_scene',
    'make_scenes',
    'scene_metainfo',
    'scene_rng',
]
