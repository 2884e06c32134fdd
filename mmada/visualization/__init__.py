"""Pictures and tables of what a run left in its work directory."""

from .curves_figure import curves_figure
from .exploration_figure_hook import ExplorationFigureHook
from .figures import save_figure
from .history import (
    HISTORY_FILE,
    WEIGHTS_FILE,
    Epoch,
    Round,
    read_history,
    read_weights,
)
from .panoptic_colors import Segmentation, category_palette, paint
from .panoptic_panel import PanelRow, panoptic_panel
from .results_table import ResultRow, results_markdown, results_text
from .score_table import scores_figure, scores_markdown
from .weights_figure import weights_figure

__all__ = [
    'HISTORY_FILE',
    'WEIGHTS_FILE',
    'Epoch',
    'ExplorationFigureHook',
    'PanelRow',
    'ResultRow',
    'Round',
    'Segmentation',
    'category_palette',
    'curves_figure',
    'paint',
    'panoptic_panel',
    'read_history',
    'read_weights',
    'results_markdown',
    'results_text',
    'save_figure',
    'scores_figure',
    'scores_markdown',
    'weights_figure',
]
