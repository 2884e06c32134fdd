"""tools/make_proxy_split.py: which images it holds out, what it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
SCRIPT = REPO / 'tools' / 'make_proxy_split.py'

# Of 0 to 99 the ten whose '0:<id>' has the smallest SHA-256 (sha256sum).
REWARD_IDS = [15, 36, 44, 46, 69, 74, 76, 85, 87, 99]


def split(ann_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(ann_file), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def write_annotations(path: Path, ids: list[int]) -> None:
    content = dict(
        info=dict(year=2026),
        images=[dict(id=i, file_name=f'{i}.jpg') for i in ids],
        annotations=[dict(image_id=i, segments_info=[i]) for i in ids],
        categories=[dict(id=1)],
    )
    path.write_text(json.dumps(content))


def read_ids(folder: Path, part: str) -> list[int]:
    content = json.loads((folder / f'ann_proxy_{part}.json').read_text())
    ids = [image['id'] for image in content['images']]
    assert [a['image_id'] for a in content['annotations']] == ids
    assert content['info'] == dict(year=2026)
    assert content['categories'] == [dict(id=1)]
    return ids


def test_two_parts_of_the_images(tmp_path: Path) -> None:
    ann_file = tmp_path / 'ann.json'
    write_annotations(ann_file, list(range(100)))
    done = split(ann_file, '--num-reward', '10')
    assert done.returncode == 0, done.stderr
    assert 'ann_proxy_reward.json: 10 images' in done.stdout
    train, reward = read_ids(tmp_path, 'train'), read_ids(tmp_path, 'reward')
    assert reward == REWARD_IDS
    assert sorted(train + reward) == list(range(100))


def test_order_of_images_does_not_matter_and_seed_does(
    tmp_path: Path,
) -> None:
    ann_file = tmp_path / 'ann.json'
    write_annotations(ann_file, list(range(99, -1, -1)))
    split(ann_file, '--num-reward', '10')
    assert sorted(read_ids(tmp_path, 'reward')) == REWARD_IDS
    split(ann_file, '--num-reward', '10', '--seed', '1')
    assert sorted(read_ids(tmp_path, 'reward')) != REWARD_IDS


def test_too_many_held_out(tmp_path: Path) -> None:
    ann_file = tmp_path / 'ann.json'
    write_annotations(ann_file, [1, 2, 3])
    done = split(ann_file, '--num-reward', '3')
    assert done.returncode == 2
    assert 'num_reward should be 1 to 2, found 3' in done.stderr
    assert list(tmp_path.iterdir()) == [ann_file]


def test_not_a_panoptic_file(tmp_path: Path) -> None:
    ann_file = tmp_path / 'ann.json'
    ann_file.write_text('{"images": []}')
    done = split(ann_file)
    assert done.returncode == 2
    assert 'has no annotations, categories' in done.stderr
