"""Members of a large JSON object, one after the other, in little memory.

Annotation files of a whole data set are some hundred megabytes of JSON, and
ten times as much as Python objects. They are one object with few long lists,
so it is enough to hold one element at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

from mmengine.fileio import get_local_path

_DECODER = json.JSONDecoder()
_BLANKS = re.compile(r'[ \t\n\r]*')
_CUT_NUMBER = re.compile(r'[-+.eE0-9]*\Z')


def read_members(
    path: str, backend_args: dict[str, Any] | None = None
) -> Iterator[tuple[str, Any]]:
    """Yield the members of the object in a file.

    Args:
        path: A JSON file.
        backend_args: File backend of mmengine. Defaults to None.

    Yields:
        Key and value. A list comes as an iterator of its elements, which are
        read as they are asked for; what is left of it is skipped before the
        next member.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no JSON object.
    """
    with (
        get_local_path(path, backend_args=backend_args) as local,
        open(local, encoding='utf-8') as stream,
    ):
        yield from iter_members(stream, path)


def iter_members(
    stream: TextIO, name: str, chunk: int = 2**20
) -> Iterator[tuple[str, Any]]:
    """Yield the members of the object in a stream, as `read_members` does.

    Args:
        stream: JSON text.
        name: What to call it in messages.
        chunk: Characters to read at a time.

    Raises:
        ValueError: If it is no JSON object.
    """
    reader = _Reader(stream, name, chunk)
    for _ in _separated(reader, *'{}'):
        if reader.peek() != '"':
            reader.fail(f'a key should follow. Found {reader.peek()}.')
        key = reader.value()
        reader.expect(':')
        if reader.peek() == '[':
            elements = _elements(reader)
            yield key, elements
            for _ in elements:
                pass
        else:
            yield key, reader.value()
    if reader.peek():
        reader.fail(f'the end should follow. Found {reader.peek()}.')


def _elements(reader: _Reader) -> Iterator[Any]:
    for _ in _separated(reader, *'[]'):
        yield reader.value()


def _separated(reader: _Reader, opening: str, closing: str) -> Iterator[None]:
    """Yield where an item between brackets begins."""
    reader.expect(opening)
    if reader.peek() == closing:
        reader.expect(closing)
        return
    yield
    while reader.expect(f',{closing}') == ',':
        yield


class _Reader:
    """Tokens and values of a stream."""

    def __init__(self, stream: TextIO, name: str, chunk: int) -> None:
        self._stream = stream
        self._name = name
        self._chunk = chunk
        self._text = ''
        self._at = 0

    def peek(self) -> str:
        """Return the next character that is no blank, '' at the end."""
        while True:
            blanks = _BLANKS.match(self._text, self._at)
            self._at = blanks.end() if blanks else self._at
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def expect(self, characters: str) -> str:
        """Take the next character, which has to be one of these."""
        found = self.peek()
        if not found or found not in characters:
            wanted = ' or '.join(characters)
            self.fail(f'{wanted} should follow. Found {found or "the end"}.')
        self._at += 1
        return found

    def value(self) -> Any:
        """Take a value."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except ValueError as error:
                if not self._more():
                    self.fail(getattr(error, 'msg', str(error)))
                continue
            # '1' may be the beginning of '12', and '1e' that of '1e5'.
            if not _CUT_NUMBER.match(self._text, end) or not self._more():
                self._at = end
                return value

    def fail(self, message: str) -> NoReturn:
        """Raise the error of a file that does not fit."""
        raise ValueError(f'{self._name} should be a JSON object: {message}')

    def _more(self) -> bool:
        left = self._text[self._at :]
        try:
            # As much as is there: a long value is not decoded too often.
            read = self._stream.read(max(self._chunk, len(left)))
        except UnicodeDecodeError as error:
            self.fail(str(error))
        self._text, self._at = left + read, 0
        return bool(read)
