"""Pictures and tables of what a run left in its work directory."""

from mmada.visualization.exploration_figure_hook import ExplorationFigureHook
from mmada.visualization.figures import save_figure
from mmada.visualization.history import (
    HISTORY_FILE,
    WEIGHTS_FILE,
    Epochs,
    Round,
    Search,
    read_epochs,
    read_search,
)
from mmada.visualization.panoptic_panel import (
    PanelRow,
    Segmentation,
    category_palette,
    overlay,
    paint,
    panoptic_panel,
)
from mmada.visualization.weights_figure import weights_figure

__all__ = [
    'HISTORY_FILE',
    'WEIGHTS_FILE',
    'Epochs',
    'ExplorationFigureHook',
    'PanelRow',
    'Round',
    'Search',
    'Segmentation',
    'category_palette',
    'overlay',
    'paint',
    'panoptic_panel',
    'read_epochs',
    'read_search',
    'save_figure',
    'weights_figure',
]
