"""Memory that an annotation file as large as COCO's costs.

Writes a made-up panoptic annotation file of the size of train2017's, and
reads it in processes of their own: as a plain `json.load`, as
`tools/make_proxy_split.py` does, and as the metric `PanopticQuality` does. The
peak is the largest resident set of the process.

OMP_NUM_THREADS=1 python tools/benchmarks/speed/proxy_split_memory.py
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import ROOT, parser, show_surroundings

from mmada.commands.command_line import ends_with_reader

IMAGES = 118287
SEGMENTS = (4, 18)  # 11 an image
LIMIT_MB = 2000
READERS = ('nothing', 'json.load', 'make_proxy_split', 'PanopticQuality')


def write_annotations(path: Path, num_images: int) -> None:
    """Write a panoptic annotation file with the fields of COCO's."""
    draw = random.Random(0)
    ids = sorted(draw.sample(range(600000), num_images))
    categories = [
        dict(id=i, name=f'class {i}', isthing=int(i < 92)) for i in range(201)
    ]
    with path.open('w') as file:
        file.write(f'{{"categories": {json.dumps(categories)}, "images": [')
        file.write(', '.join(json.dumps(_image(i)) for i in ids))
        file.write('], "annotations": [')
        for k, image_id in enumerate(ids):
            file.write(', ' if k else '')
            file.write(json.dumps(_annotation(draw, image_id)))
        file.write(']}')


def _image(image_id: int) -> dict[str, object]:
    name = f'{image_id:012}'
    return dict(
        license=3,
        file_name=f'{name}.jpg',
        coco_url=f'http://images.cocodataset.org/train2017/{name}.jpg',
        height=480,
        width=640,
        date_captured='2013-11-14 17:02:52',
        flickr_url=f'http://farm9.staticflickr.com/8186/{name}_cbb05cd2_z.jpg',
        id=image_id,
    )


def _annotation(draw: random.Random, image_id: int) -> dict[str, object]:
    segments = [
        dict(
            id=draw.randrange(1, 2**24),
            category_id=draw.randrange(201),
            iscrowd=0,
            bbox=[draw.randrange(320) for _ in range(4)],
            area=draw.randrange(1, 100000),
        )
        for _ in range(draw.randint(*SEGMENTS))
    ]
    name = f'{image_id:012}.png'
    return dict(segments_info=segments, file_name=name, image_id=image_id)


def read(reader: str, path: str) -> object:
    """Read the file, as one that a user may run does."""
    sys.path.insert(0, str(ROOT / 'tools'))
    import make_proxy_split

    from mmada.evaluation import PanopticQuality

    if reader == 'json.load':
        with open(path) as file:
            return json.load(file)
    if reader == 'make_proxy_split':
        out = f'{path}.{reader}'
        make_proxy_split.main([path, '--num-reward', '100', '--out', out])
    if reader == 'PanopticQuality':
        return PanopticQuality(path, '')
    return None


def resident(field: str) -> float:
    """Return megabytes of a field of the process's status."""
    lines = Path('/proc/self/status').read_text().splitlines()
    line = next(line for line in lines if line.startswith(f'{field}:'))
    return int(line.split()[1]) * 1024 / 1e6


def measure(reader: str, path: Path) -> dict[str, float]:
    """Read the file in a process of its own; return megabytes."""
    output = subprocess.run(
        [sys.executable, __file__, '--worker', reader, str(path)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


def work(reader: str, path: str) -> None:
    """Read the file here and print megabytes."""
    content = read(reader, path)
    held = resident('VmRSS')
    print(json.dumps(dict(peak=resident('VmHWM'), held=held)))
    del content


@ends_with_reader()
def main(argv: list[str] | None = None) -> int:
    """Print the peaks; return 1 if that of the tool is above the limit."""
    options = parser(__doc__, repeats=1)
    options.add_argument('--worker', nargs=2, help=argparse.SUPPRESS)
    args = options.parse_args(argv)
    if args.worker:
        work(*args.worker)
        return 0
    num_images = 1000 if args.quick else IMAGES
    show_surroundings(f'Reading the annotations of {num_images} images')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'panoptic_train2017.json'
        write_annotations(path, num_images)
        print(f'file: {path.stat().st_size / 1e6:.0f} MB')
        peaks = {}
        for reader in READERS:
            found = measure(reader, path)
            peaks[reader] = found['peak']
            print(
                f'{reader}: peak {found["peak"]:.0f} MB, held afterwards '
                f'{found["held"]:.0f} MB',
                flush=True,
            )
    return int(peaks['make_proxy_split'] > LIMIT_MB)


if __name__ == '__main__':
    sys.exit(main())
