"""PNG files of the promised size, and no global state."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import pytest
from matplotlib.figure import Figure

from mmada.visualization import read_search, save_figure, weights_figure
from tests.test_visualization.records import round_record, write


def test_size_in_pixels(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'a.png'
    assert save_figure(Figure(figsize=(3, 2)), path, dpi=50) == path
    assert matplotlib.image.imread(path).shape[:2] == (100, 150)


@pytest.mark.parametrize('dpi', [0, 151])
def test_bad_dpi(tmp_path: Path, dpi: int) -> None:
    with pytest.raises(ValueError, match=f'1 to 150. Found {dpi}'):
        save_figure(Figure(), tmp_path / 'a.png', dpi)
    assert not list(tmp_path.iterdir())


def test_bad_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'\.png. Found .*a\.jpg'):
        save_figure(Figure(), tmp_path / 'a.jpg')


def test_pyplot_knows_of_no_figure(tmp_path: Path) -> None:
    pyplot = pytest.importorskip('matplotlib.pyplot')
    rounds = write(tmp_path / 'h', [round_record(1)])
    save_figure(weights_figure(read_search(rounds)), tmp_path / 'w.png')
    assert pyplot.get_fignums() == []
