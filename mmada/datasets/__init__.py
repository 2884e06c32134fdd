"""Scenes, panoptic annotations and subsets for mmdet's pipelines.

A config trains on generated scenes (``tools/make_scenes.py data/scenes``)
with these lines::

    custom_imports = dict(imports=['mmada'])
    train_dataloader = dict(
        dataset=dict(
            type='ScenePanopticDataset',
            data_root='data/scenes/',
            ann_file='annotations/panoptic_train.json',
            data_prefix=dict(
                img='train/', seg='annotations/panoptic_train/'),
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='mmada.datasets.LoadPanopticAnnotations'),
                ...
                dict(type='PackDetInputs'),
            ]))

``train``, ``reward`` and ``test`` are the splits. Four thing classes come
first, four stuff classes follow (``scene_metainfo()``).
"""

from mmada.datasets.camvid_panoptic import (
    CamVidPanopticDataset,
    CamVidSemanticDataset,
)
from mmada.datasets.image_subset import ImageSubset
from mmada.datasets.scenes import (
    Scene,
    SceneOptions,
    ScenePanopticDataset,
    SceneSemanticDataset,
    draw_scene,
    make_scenes,
    scene_metainfo,
    scene_rng,
)
from mmada.datasets.semantic_labels import SemanticLabels
from mmada.datasets.transforms import LoadPanopticAnnotations, MergeThingLabels

__all__ = [
    'CamVidPanopticDataset',
    'CamVidSemanticDataset',
    'ImageSubset',
    'LoadPanopticAnnotations',
    'MergeThingLabels',
    'Scene',
    'SceneOptions',
    'ScenePanopticDataset',
    'SceneSemanticDataset',
    'SemanticLabels',
    'draw_scene',
    'make_scenes',
    'scene_metainfo',
    'scene_rng',
]
