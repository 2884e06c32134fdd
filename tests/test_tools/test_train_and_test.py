"""The scripts train.py and test.py, and mmdet's own, on the toy problem."""

from __future__ import annotations

import pickle
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import mmdet
import pytest
import torch
from mmengine.config import Config

from mmada.commands.train import apply_training_options, has_search

REPO = Path(__file__).resolve().parents[2]
TOOLS = REPO / 'tools'
MMDET_TRAIN = Path(mmdet.__file__).parent / '.mim' / 'tools' / 'train.py'

Run = Callable[..., None]

# MMEngine keeps loggers by name and second; these runs may share them.
pytestmark = pytest.mark.filterwarnings('ignore:.*has been created')


def test_train_resume_and_test(
    run: Run,
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    work_dir = tmp_path / 'work'
    said = f'train: nothing to resume in {work_dir}, so the run starts'
    run(TOOLS / 'train.py', config, '--work-dir', work_dir, '--resume')
    assert (work_dir / 'epoch_2.pth').is_file()
    assert said in capsys.readouterr().err

    longer = ('--cfg-options', 'train_cfg.max_epochs=3')
    run(
        TOOLS / 'train.py', config, '--work-dir', work_dir, '--resume', *longer
    )
    last = work_dir / 'epoch_3.pth'
    meta = torch.load(last, weights_only=False)['meta']
    assert (meta['epoch'], meta['iter']) == (3, 9)
    assert said not in capsys.readouterr().err

    out = tmp_path / 'predictions.pkl'
    run(TOOLS / 'test.py', config, last, '--work-dir', work_dir, '--out', out)
    assert len(pickle.loads(out.read_bytes())) == 12


def test_a_run_with_nothing_to_resume_starts_from_load_from(
    run: Run,
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As one that a cluster always starts with `--resume`."""
    short = ('--cfg-options', 'train_cfg.max_epochs=1')
    run(TOOLS / 'train.py', config, '--work-dir', tmp_path / 'first', *short)
    trained = tmp_path / 'first/epoch_1.pth'
    work_dir = tmp_path / 'second'
    still = (*short, 'optim_wrapper.optimizer.lr=0.0', f'load_from={trained}')
    command = (TOOLS / 'train.py', config, '--work-dir', work_dir, '--resume')
    run(*command, *still)
    assert f'so the run starts from {trained}.' in capsys.readouterr().err
    first, second = (
        torch.load(folder / 'epoch_1.pth', weights_only=False)
        for folder in (trained.parent, work_dir)
    )
    for name, value in first['state_dict'].items():
        if name.endswith(('weight', 'bias')):
            assert torch.equal(value, second['state_dict'][name]), name
    assert second['meta']['iter'] == 3

    run(*command, *still, 'train_cfg.max_epochs=2')
    meta = torch.load(work_dir / 'epoch_2.pth', weights_only=False)['meta']
    assert meta['iter'] == 6


@pytest.mark.parametrize('directory', ['exploration', 'searches/one', '.'])
def test_states_are_found_wherever_a_search_has_them(
    tmp_path: Path, directory: str
) -> None:
    assert not has_search(str(tmp_path))
    (tmp_path / directory / 'states/step_00000001').mkdir(parents=True)
    assert has_search(str(tmp_path))


def test_what_mmada_refuses_ends_with_its_message(
    run: Run,
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mistyped = "custom_hooks=[dict(type='StepWeightingHook', weighting='x')]"
    path = tmp_path / 'mistyped.py'
    path.write_text(f'_base_ = {str(config)!r}\n{mistyped}\n')
    with pytest.raises(SystemExit) as caught:
        run(TOOLS / 'train.py', path, '--work-dir', tmp_path / 'work')
    assert caught.value.code == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith('train: error: `weighting')

    # What is no refusal of mmada's shows where it came from.
    path.write_text(
        f'_base_ = {str(config)!r}\ntrain_cfg = dict(max_epochs=1)'
    )
    with pytest.raises(ValueError) as raised:
        run(
            TOOLS / 'train.py',
            path,
            *('--cfg-options', 'optim_wrapper.optimizer.lr=-1.0'),
        )
    assert 'learning rate' in str(raised.value)


def test_resume_names_a_checkpoint(
    run: Run, config: Path, tmp_path: Path
) -> None:
    run(TOOLS / 'train.py', config, '--work-dir', tmp_path / 'first')
    second = tmp_path / 'second'
    checkpoint = tmp_path / 'first' / 'epoch_1.pth'
    run(
        TOOLS / 'train.py',
        config,
        '--work-dir',
        second,
        '--resume',
        checkpoint,
    )
    assert not (second / 'epoch_1.pth').exists()
    assert (second / 'epoch_2.pth').is_file()


def test_no_scale_is_not_applied() -> None:
    args = Namespace(amp=False, auto_scale_lr=True, config='c.py', resume=None)
    with pytest.raises(ValueError, match='Found none in c.py'):
        apply_training_options(Config(dict(auto_scale_lr=None)), args)


def test_auto_scale_lr(run: Run, config: Path, tmp_path: Path) -> None:
    run(TOOLS / 'train.py', config, '--work-dir', tmp_path, '--auto-scale-lr')
    checkpoint = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)
    groups = checkpoint['optimizer']['param_groups']
    # batches of 4 where the config's learning rate is meant for 16
    assert groups[0]['lr'] == pytest.approx(0.05 / 4)


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('--amp', 'a device of cuda, npu, mlu, musa. Found cpu.'),
        ('--auto-scale-lr', 'Found none in '),
    ],
)
def test_options_that_cannot_be_applied(
    run: Run,
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    said: str,
) -> None:
    monkeypatch.setattr('mmada.commands.train.get_device', lambda: 'cpu')
    text = config.read_text().replace('auto_scale_lr', 'another')
    config.write_text(text)
    with pytest.raises(SystemExit) as caught:
        run(TOOLS / 'train.py', config, '--work-dir', tmp_path / 'w', option)
    assert caught.value.code == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith(f'train: error: `{option}` should be left out')
    assert said in last
    assert not (tmp_path / 'w').exists()


def test_work_dir_is_named_after_the_config(
    run: Run, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(TOOLS / 'train.py', config)
    assert (tmp_path / 'work_dirs/toy_config/epoch_2.pth').is_file()


@pytest.mark.skipif(
    not MMDET_TRAIN.is_file(), reason='mmdet was installed without its tools'
)
def test_mmdet_s_own_train_script(
    run: Run, config: Path, tmp_path: Path
) -> None:
    run(MMDET_TRAIN, config, '--work-dir', tmp_path)
    assert (tmp_path / 'epoch_2.pth').is_file()


def test_out_that_is_no_pickle_is_refused(
    run: Run, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(TOOLS / 'test.py', config, __file__, '--out', 'some.json')
    assert 'Found some.json' in capsys.readouterr().err


def test_a_checkpoint_of_another_model_is_not_tested(
    run: Run, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / 'other.pth'
    torch.save(dict(state_dict={'head.weight': torch.ones(2)}), other)
    with pytest.raises(SystemExit):
        run(TOOLS / 'test.py', config, other, '--work-dir', tmp_path)
    assert (
        'should be of the model in the config. Found 1 values in it, such as '
        "'head.weight', none of which"
    ) in capsys.readouterr().err


def test_a_checkpoint_of_parts_or_of_a_wrapped_model_is_tested(
    run: Run, config: Path, tmp_path: Path
) -> None:
    run(TOOLS / 'train.py', config, '--work-dir', tmp_path)
    state = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)
    name, value = next(iter(state['state_dict'].items()))
    for found in ({name: value}, {f'module.{name}': value}):
        torch.save(dict(state_dict=found), tmp_path / 'part.pth')
        command = (config, tmp_path / 'part.pth', '--work-dir', tmp_path)
        run(TOOLS / 'test.py', *command)
