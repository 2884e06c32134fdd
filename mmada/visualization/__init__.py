"""Pictures and tables of what a run left in its work directory."""

from mmada.visualization.exploration_figure_hook import ExplorationFigureHook
from mmada.visualization.figures import save_figure
from mmada.visualization.history import (
    HISTORY_FILE,
    WEIGHTS_FILE,
    Epoch,
    Round,
    read_history,
    read_weights,
)
from mmada.visualization.panoptic_panel import (
    PanelRow,
    Segmentation,
    category_palette,
    paint,
    panoptic_panel,
)
from mmada.visualization.weights_figure import weights_figure

__all__ = [
    'HISTORY_FILE',
    'WEIGHTS_FILE',
    'Epoch',
    'ExplorationFigureHook',
    'PanelRow',
    'Round',
    'Segmentation',
    'category_palette',
    'paint',
    'panoptic_panel',
    'read_history',
    'read_weights',
    'save_figure',
    'weights_figure',
]
