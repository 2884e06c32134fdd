import pytest

from mmada.visualization import scores_figure, scores_markdown

SCORES = {
    'cross entropy': dict(mIoU=[60.0, 62.0], BF1=[50.0, 50.0]),
    'searched': dict(mIoU=[64.0, 66.0], BF1=[49.0, 50.0]),
}


def test_means_deviations_and_the_best_of_each_column():
    assert scores_markdown(SCORES, ['mIoU', 'BF1']).splitlines() == [
        '| loss | mIoU | BF1 |',
        '| --- | ---: | ---: |',
        '| cross entropy | 61.0 ± 1.4 | **50.0 ± 0.0** |',
        '| searched | **65.0 ± 1.4** | 49.5 ± 0.7 |',
    ]


def test_one_seed_has_no_deviation():
    scores = dict(a=dict(m=[1.25]))
    assert scores_markdown(scores, ['m']).splitlines()[-1] == '| a | **1.2** |'


def test_the_picture_has_every_cell_shaded_within_its_column():
    figure = scores_figure(SCORES, ['mIoU', 'BF1'])
    (axes,) = figure.axes
    assert axes.images[0].get_array().tolist() == [[0, 1], [1, 0]]
    texts = {t.get_text(): t.get_weight() for t in axes.texts}
    assert texts['65.0 ± 1.4'] == texts['50.0 ± 0.0'] == 'bold'
    assert texts['61.0 ± 1.4'] == 'normal'
    assert [t.get_text() for t in axes.get_yticklabels()] == list(SCORES)


def test_equal_scores_are_drawn():
    scores_figure(dict(a=dict(m=[1.0]), b=dict(m=[1.0])), ['m'])


@pytest.mark.parametrize(('scores', 'columns'), [({}, ['m']), (SCORES, [])])
def test_nothing_to_draw_is_named(scores, columns):
    with pytest.raises(ValueError, match='should not be empty'):
        scores_figure(scores, columns)
