"""Colours go with kinds, dashes with stages."""

from __future__ import annotations

from mmada.models.objectives import OBJECTIVE_PRESETS
from mmada.visualization.objective_styles import objective_styles


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
