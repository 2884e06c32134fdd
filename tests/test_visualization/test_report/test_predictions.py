import numpy as np
import pytest

from mmada.visualization.report.image_changes import summarise
from mmada.visualization.report.panels import (
    changed_rows,
    classes_panel,
    gallery_panel,
)
from mmada.visualization.report.predictions import predict_pair
from tests.test_visualization.test_report.oracle import NUM_IMAGES


def calls(run):
    return (run / 'calls.txt').read_text().count('batch')


def test_both_models_are_evaluated_once(models, tmp_path):
    blind, perfect = models
    cache = tmp_path / 'cache'
    pair = predict_pair(blind, perfect, cache)
    assert pair.names == ('blind', 'perfect')
    assert len(pair.ours.counts) == NUM_IMAGES
    qualities = [
        summarise(found.counts, pair.categories).groups['All'].pq
        for found in (pair.baseline, pair.ours)
    ]
    assert qualities[1] == 1 and 0.5 < qualities[0] < 1
    assert summarise(pair.baseline.counts, pair.categories).classes[1].pq == 0
    before = calls(blind), calls(perfect)
    again = predict_pair(blind, perfect / 'epoch_1.pth', cache)
    assert (calls(blind), calls(perfect)) == before
    assert again.ours.counts == pair.ours.counts
    (perfect / 'epoch_1.pth').touch()
    predict_pair(blind, perfect, cache)
    assert (calls(blind), calls(perfect)) == (before[0], 2 * before[1])


def test_maps_and_truth_of_an_image(models, tmp_path):
    pair = predict_pair(*models, tmp_path / 'cache')
    image = next(iter(pair.ours.counts))
    truth = pair.true_segmentation(image)
    ours = pair.predicted(pair.ours, image, 100.0)
    for position in np.ndindex(truth.ids.shape):
        expected = truth.categories.get(int(truth.ids[position]))
        assert ours.categories.get(int(ours.ids[position])) == expected


def test_panels_of_a_pair(models, tmp_path):
    pair = predict_pair(*models, tmp_path / 'cache')
    gallery = gallery_panel(pair, 2)
    assert len(gallery.gallery) == 2
    for row in gallery.gallery:
        titles = [picture.title for picture in row.pictures]
        assert titles[2:] == ['baseline: blind', 'ours: perfect']
        assert row.pictures[3].caption == 'PQ 100.0'
        assert row.pictures[0].data.startswith('data:image/jpeg;base64,')
        assert row.pictures[3].data.startswith('data:image/png;base64,')
        assert row.note.startswith('+')
    gains = [change.difference for change, _ in changed_rows(pair, 3)]
    assert gains == sorted(gains, reverse=True)
    classes = classes_panel(pair)
    gain, loss = classes.charts[0].series
    assert (gain.x[0], gain.y[0]) == ('ball', 100)
    assert not any(loss.y)
    assert classes.tables[0].rows[0][2] == '100.00'
    assert 'It leaves out zero' in classes.advice[0].text


@pytest.mark.parametrize(
    ('missing', 'message'),
    [('config.py', 'config that its run wrote'), ('epoch_1.pth', 'no file')],
)
def test_what_is_missing_is_named(models, tmp_path, missing, message):
    blind, perfect = models
    (blind / missing).unlink()
    with pytest.raises(ValueError, match=message):
        predict_pair(blind, perfect, tmp_path / 'cache')


def test_a_config_without_panoptic_test_data(models, tmp_path):
    blind, perfect = models
    with (blind / 'config.py').open('a') as config:
        config.write("\ntest_evaluator = dict(type='CocoMetric')\n")
    with pytest.raises(ValueError, match='panoptic metric .*`--compare`'):
        predict_pair(blind, perfect, tmp_path / 'cache')
    assert not list((tmp_path / 'cache').iterdir())
