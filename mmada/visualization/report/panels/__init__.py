"""The sections of a report, one file for each."""

from .classes import classes_panel
from .comparison import comparison_panel
from .configuration import configuration_panel
from .costs import costs_panel
from .gallery import changed_rows, gallery_panel
from .losses import losses_panel
from .metrics import metrics_panel
from .panel import GalleryRow, Panel, Picture, Table
from .rewards import rewards_panel
from .sanity import sanity_panel
from .summary import summary_panel
from .weights import weights_panel

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
