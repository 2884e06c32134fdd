"""Reading of JSON objects piece by piece, against the json module."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmada.datasets.json_stream import iter_members, read_members

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def read(text, chunk=4):
    members = iter_members(io.StringIO(text), 'a.json', chunk)
    return {
        key: value if isinstance(value, (dict, str)) else collect(value)
        for key, value in members
    }


def collect(value):
    return list(value) if hasattr(value, '__next__') else value


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(), values),
    st.sampled_from([1, 3, 1000]),
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_the_same_as_the_json_module(content, chunk, indent, ascii_only):
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_only)
    assert read(f' {text}\n', chunk) == content


def test_numbers_at_the_end_of_what_was_read():
    content = dict(a=[-12.5e-3, 1e300, -7, 0.25, 123456789], b=1.5e5)
    for chunk in range(1, 9):
        assert read(json.dumps(content), chunk) == content


def test_what_is_left_of_a_list_is_skipped():
    text = '{"a": [1, [2], {"b": "]"}, 34], "c": [], "d": 567}'
    seen = []
    for key, value in iter_members(io.StringIO(text), 'a.json', 2):
        seen.append((key, next(value, None) if key in 'ac' else value))
    assert seen == [('a', 1), ('c', None), ('d', 567)]


def test_elements_come_before_the_rest_is_read():
    stream = io.StringIO('{"a": [1, 2, ' + '3, ' * 1000 + '4]}')
    members = iter_members(stream, 'a.json', 16)
    _, elements = next(members)
    assert [next(elements), next(elements)] == [1, 2]
    assert stream.tell() <= 32


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', '{ should follow. Found the end'),
        ('[1]', r'{ should follow. Found \['),
        ('12', '{ should follow. Found 1'),
        ('{1: 2}', 'a key should follow. Found 1'),
        ('{"a" 1}', ': should follow. Found 1'),
        ('{"a": 1 "b": 2}', ', or } should follow. Found "'),
        ('{"a": [1 2]}', ', or ] should follow. Found 2'),
        ('{"a": [1,', 'Expecting value'),
        ('{"a": "x', 'Unterminated string'),
        ('{"a": 1}, 2', 'the end should follow. Found ,'),
        ('{"a": 1}}', 'the end should follow. Found }'),
    ],
)
def test_what_is_no_object(text, message):
    with pytest.raises(ValueError, match=f'a.json should .*object: {message}'):
        read(text)


def test_a_file(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('{"ä": ["ö"]}', encoding='utf-8')
    assert [(k, list(v)) for k, v in read_members(str(path))] == [('ä', ['ö'])]
    path.write_bytes(b'\xff\xfe{')
    with pytest.raises(ValueError, match='a.json should .*utf-8'):
        list(read_members(str(path)))
    with pytest.raises(FileNotFoundError, match='none.json'):
        list(read_members(str(tmp_path / 'none.json')))
