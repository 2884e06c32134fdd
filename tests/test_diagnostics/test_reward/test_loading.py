"""Loading of checkpoints that fit, or do not."""

from __future__ import annotations

import torch
from torch import nn

from mmada.diagnostics.reward.loading import load_weights
from tests.test_engine import lives


def parts():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def save(path, entries):
    torch.save(dict(state_dict=entries), path)
    return str(path)


def test_what_fits_is_loaded_and_the_rest_is_named(tmp_path):
    entries = parts().state_dict()
    del entries['0.bias'], entries['1.num_batches_tracked']
    entries['1.weight'] = torch.ones(4)
    entries['fc.weight'] = torch.ones(1)
    entries['1.bias'][2] = torch.nan
    model = parts()
    report = load_weights(model, save(tmp_path / 'a.pth', entries))
    assert report.total == 7
    assert report.missing == ('0.bias',)
    assert report.misshapen == ('1.weight',)
    assert report.unexpected == ('fc.weight',)
    assert report.not_finite == ('1.bias',)
    assert torch.equal(model[0].weight, entries['0.weight'])


def test_a_wrapper_takes_the_checkpoint_of_a_bare_model(tmp_path):
    wrapper = lives.build().model
    entries = {f'module.{k}': v for k, v in wrapper.state_dict().items()}
    report = load_weights(wrapper, save(tmp_path / 'a.pth', entries))
    assert report == (len(entries), (), (), (), ())
