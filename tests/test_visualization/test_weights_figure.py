"""The figure shows the numbers of the records, read back from its axes.

Colours go with kinds, dashes with stages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmada.models.objectives import OBJECTIVE_PRESETS
from mmada.visualization import (
    Epochs,
    Search,
    read_epochs,
    read_search,
    weights_figure,
)
from mmada.visualization.weights_figure import objective_styles
from tests.test_visualization.records import (
    OBJECTIVES,
    epoch_record,
    round_record,
    write,
)
from tests.test_visualization.test_report.runs import asl_record


def searched(tmp_path: Path, *changes: dict[str, Any]) -> Search:
    records = [round_record(i, **c) for i, c in enumerate(changes, start=1)]
    search = read_search(write(tmp_path / 'h', records))
    assert search is not None
    return search


def epochs(tmp_path: Path) -> Epochs | None:
    records = [epoch_record(i) for i in (1, 2, 3)]
    return read_epochs(write(tmp_path / 'w', records))


def panels(figure: Figure) -> list[Axes]:
    return figure.axes


def lines(axes: Axes) -> list[list[list[float]]]:
    """Return x and y of the drawn lines, without the one at weight 1."""
    return [
        [list(line.get_xdata()), list(line.get_ydata())]
        for line in axes.lines
        if len(line.get_xdata()) != 2 or list(line.get_xdata()) != [0, 1]
    ]


def dots(axes: Axes, index: int) -> np.ndarray:
    return np.asarray(axes.collections[index].get_offsets())


def test_weights_over_rounds(tmp_path: Path) -> None:
    axes = panels(weights_figure(searched(tmp_path, {}, {'best': 0}, {})))[0]
    assert axes.get_yscale() == 'log'
    assert lines(axes) == [
        [[1, 2, 3], [0.5, 1, 0.5]],
        [[1, 2, 3], [0.25, 2, 0.25]],
        [[1, 2, 3], [4, 6, 12]],
    ]
    cloud = dots(axes, 2)
    assert cloud[:, 1].tolist() == [3, 4, 6, 8, 9, 12]
    assert cloud[:, 0].round().tolist() == [1, 1, 2, 2, 3, 3]
    assert cloud[0, 0] < 1 < cloud[1, 0]


def test_weights_over_epochs_on_the_same_scale(tmp_path: Path) -> None:
    figure = weights_figure(searched(tmp_path, {}, {}), epochs(tmp_path))
    first, second, _ = panels(figure)
    assert lines(second) == [
        [[1, 2, 3], [1, 1, 1]],
        [[1, 2, 3], [0.5, 1, 1.5]],
        [[1, 2, 3], [2, 2, 2]],
    ]
    assert second.get_ylim() == first.get_ylim()
    assert first.get_ylim()[0] < 0.25 and first.get_ylim()[1] > 8


def test_metric_of_replicas_and_winner(tmp_path: Path) -> None:
    lost = {'best': 0, 'metrics': [{'coco_panoptic/PQ': 7.0}, {}]}
    figure = weights_figure(searched(tmp_path, {}, lost, {}))
    axes = panels(figure)[1]
    assert lines(axes) == [[[1, 2, 3], [51, 7, 53]]]
    values = np.ma.masked_invalid(dots(axes, 0)[:, 1]).compressed()
    assert values.tolist() == [41, 51, 7, 43, 53]
    assert 'PQ' in axes.get_title(loc='left')


def test_another_metric(tmp_path: Path) -> None:
    figure = weights_figure(searched(tmp_path, {}, {}), metric='PQ_th')
    assert lines(panels(figure)[1]) == [[[1, 2], [2, 2]]]


def test_rounds_without_update_are_shaded_and_explained(
    tmp_path: Path,
) -> None:
    skipped = {'updated': False}
    figure = weights_figure(searched(tmp_path, {}, skipped, {}, skipped))
    for axes in panels(figure):
        spans = [patch.get_extents() for patch in axes.patches]
        found = [axes.transData.inverted().transform(s)[:, 0] for s in spans]
        np.testing.assert_allclose(found, [[1.5, 2.5], [3.5, 4.5]])
    legend = panels(figure)[1].get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ['replica', 'winner', 'no update']


def test_legend_is_outside_and_names_all_objectives(tmp_path: Path) -> None:
    figure = weights_figure(searched(tmp_path, {}))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == OBJECTIVES
    figure.draw_without_rendering()
    left = legend.get_window_extent().x0
    assert left > max(axes.get_window_extent().x1 for axes in panels(figure))


def test_one_replica_stands_in_the_middle(tmp_path: Path) -> None:
    alone = {
        'weights': [[1.0, 2.0, 3.0]],
        'rewards': [0.0],
        'metrics': [{'PQ': 1.0}],
        'best': 0,
    }
    axes = panels(weights_figure(searched(tmp_path, alone)))[0]
    assert dots(axes, 0).tolist() == [[1, 1]]


def test_bad_input(tmp_path: Path) -> None:
    search = searched(tmp_path, {})
    with pytest.raises(ValueError, match="'coco_panoptic/PQ'.*'mIoU'"):
        weights_figure(search, metric='mIoU')
    other = Epochs(('a',), [1], np.ones((1, 1)), np.ones((1, 1)))
    with pytest.raises(ValueError, match=r"objectives .* Found \['a'\]"):
        weights_figure(search, other)
    lost = searched(tmp_path, {'metrics': [{}, {}]})
    with pytest.raises(ValueError, match=r'of \[\]. Found .*PQ'):
        weights_figure(lost)


def test_a_search_of_something_else_has_no_weights(tmp_path: Path) -> None:
    search = read_search(write(tmp_path / 'h', [asl_record(1)]))
    assert search is not None
    with pytest.raises(ValueError, match='of loss weights. Found .* actions'):
        weights_figure(search)


def test_ten_objectives() -> None:
    names = list(OBJECTIVE_PRESETS['cascade_panoptic'])
    styles = objective_styles(names)
    assert list(styles) == names
    assert len(set(styles.values())) == 10
    for kind in ('cls', 'bbox', 'mask'):
        colors = {styles[f's{i}.{kind}'].color for i in range(3)}
        assert len(colors) == 1
    for i, dash in enumerate(('-', '--', ':')):
        assert {styles[f's{i}.{k}'].dash for k in ('cls', 'mask')} == {dash}
    assert len({style.color for style in styles.values()}) == 4
    assert styles['seg'].dash == '-'


def test_names_of_losses_are_kinds_too() -> None:
    styles = objective_styles(['loss_cls', 's1.loss_cls', 'd0.loss_dice'])
    assert styles['loss_cls'].color == styles['s1.loss_cls'].color
    assert styles['d0.loss_dice'].color != styles['loss_cls'].color


def test_unknown_kinds_differ_from_each_other_and_the_known() -> None:
    styles = objective_styles(['cls', 'bbox', 'mask', 'seg', 'x', 'y', 'z'])
    assert len({style.color for style in styles.values()}) == 7
