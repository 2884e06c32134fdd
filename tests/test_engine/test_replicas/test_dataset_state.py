import numpy as np
from torch.utils.data import Dataset

from mmada.engine.replicas.dataset_state import DatasetState


class Mosaic:
    """A transform with a cache and a generator."""

    def __init__(self):
        self.cache = []
        self.random = np.random.RandomState(1)

    def __call__(self, row):
        self.cache.append(row)
        return row + self.random.rand()


class Order:
    """Shuffles in place when it is through, as that of MMDetection3D."""

    def __init__(self):
        self.rows = np.array([10, 20, 30])
        self.position = 0

    def draw(self):
        row = self.rows[self.position]
        self.position = (self.position + 1) % 3
        if self.position == 0:
            self.rows[:] = self.rows[::-1].copy()
        return row


class Paste:
    """A transform whose state is in what it holds."""

    def __init__(self):
        self.orders = dict(car=Order())

    def __call__(self, row):
        return row + self.orders['car'].draw()


class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, row):
        for transform in self.transforms:
            row = transform(row)
        return row


class Rows(Dataset):
    def __init__(self):
        self.pipeline = Compose([Mosaic()])
        self.rows = list(range(1000))
        self.skipped = None

    def __getitem__(self, index):
        return self.pipeline(self.rows[index])


class Mixed(Dataset):
    def __init__(self):
        self.dataset = Rows()
        self.keys = ['a']


def test_hooks_and_transforms_leave_no_trace():
    mixed = Mixed()
    rows, pipeline = mixed.dataset, mixed.dataset.pipeline
    state = DatasetState(mixed)
    first = [rows[0], rows[1]]
    mixed.keys.append('b')
    mixed.skipped = ('a',)
    rows.pipeline = Compose([])
    pipeline.transforms.clear()
    state.reset()
    assert mixed.keys == ['a']
    assert not hasattr(mixed, 'skipped')
    assert rows.pipeline is pipeline
    (mosaic,) = pipeline.transforms
    assert mosaic.cache == []
    assert [rows[0], rows[1]] == first
    assert mosaic.cache == [0, 1]
    assert len(rows.rows) == 1000


def test_objects_that_a_transform_holds_begin_anew():
    rows = Rows()
    rows.packed = np.zeros(2**20 + 1, np.uint8)
    rows.fixed = np.broadcast_to(np.zeros(1), 3)
    rows.pipeline = Compose([Paste()])
    state = DatasetState(rows)
    first = [rows[0] for _ in range(5)]
    assert first == [10, 20, 30, 30, 20]
    rows.packed += 1
    state.reset()
    assert [rows[0] for _ in range(5)] == first
    assert rows.packed.all()  # too large to be copied
