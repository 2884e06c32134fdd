"""The sections of a report, one file for each."""

from mmada.visualization.report.panels.classes import classes_panel
from mmada.visualization.report.panels.comparison import comparison_panel
from mmada.visualization.report.panels.configuration import configuration_panel
from mmada.visualization.report.panels.costs import costs_panel
from mmada.visualization.report.panels.gallery import (
    changed_rows,
    gallery_panel,
)
from mmada.visualization.report.panels.losses import losses_panel
from mmada.visualization.report.panels.metrics import metrics_panel
from mmada.visualization.report.panels.panel import (
    GalleryRow,
    Panel,
    Picture,
    Table,
)
from mmada.visualization.report.panels.rewards import rewards_panel
from mmada.visualization.report.panels.sanity import sanity_panel
from mmada.visualization.report.panels.summary import summary_panel
from mmada.visualization.report.panels.weights import weights_panel

__all__ = [
    'GalleryRow',
    'Panel',
    'Picture',
    'Table',
    'changed_rows',
    'classes_panel',
    'comparison_panel',
    'configuration_panel',
    'costs_panel',
    'gallery_panel',
    'losses_panel',
    'metrics_panel',
    'rewards_panel',
    'sanity_panel',
    'summary_panel',
    'weights_panel',
]
