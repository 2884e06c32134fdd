"""The page on the architecture agrees with the import graph."""

from __future__ import annotations

import re

from tests.test_docs.pages import DOCS, REPO
from tests.test_layers import (
    FILES,
    LAYERS,
    PEERS,
    folder_of,
    imports,
    package_of,
)

PAGE = (DOCS / 'architecture.md').read_text()


def rows() -> list[list[str]]:
    """Returns the cells of the table of layers, without marks of code."""
    lines = re.findall(r'^\|\s+\d.*\|$', PAGE, re.M)
    return [
        [cell.strip().strip('`') for cell in line.strip('|').split('|')]
        for line in lines
    ]


def test_the_table_names_every_room_and_its_layer():
    assert {row[1]: int(row[0]) for row in rows()} == LAYERS


def test_the_table_tells_who_uses_a_neighbour():
    used: dict[str, set[str]] = {}
    for path in FILES:
        room = folder_of(path)
        for name in imports(path.read_text(), package_of(path)):
            other = name.removeprefix('mmada.').split('.')[0]
            if other != room and LAYERS.get(other) == LAYERS[room]:
                used.setdefault(room, set()).add(other)
    assert used == {row[1]: {row[4]} for row in rows() if row[4]}
    assert used == {room: {peer} for room, peer in PEERS.items()}


def test_the_files_of_the_walk_are_there():
    paths = re.findall(r'\| `((?:models|engine|controllers)/[\w/.]*)`', PAGE)
    assert len(paths) == 8
    assert [p for p in paths if not (REPO / 'mmada' / p).exists()] == []
