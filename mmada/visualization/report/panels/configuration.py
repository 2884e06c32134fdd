"""The configuration of a run."""

from __future__ import annotations

from mmada.visualization.report.panels.panel import Panel
from mmada.visualization.report.run import Run

CAPTION = 'The resolved config, as the run wrote it into its work directory.'


def configuration_panel(run: Run) -> Panel | None:
    """Show the config, folded away."""
    if run.config.path is None:
        return None
    return Panel(
        'config',
        'Configuration',
        f'{CAPTION} {run.config.path.name}',
        text=run.config.text,
    )
