"""Names of scalars that every visual backend accepts."""

from __future__ import annotations

import re


def scalar_name(*parts: str) -> str:
    """Joins parts to a name, such as ``exploration/weights/seg``.

    Letters, digits and ``_ - . / space`` are what MLflow takes, which drops
    all scalars of a call if one name has another character or an empty part.

    Args:
        *parts: Any text; other characters become ``_``.
    """
    clean = [
        re.sub(r'[^\w\-. /]', '_', part, flags=re.ASCII) for part in parts
    ]
    found = [each for part in clean for each in part.split('/')]
    return '/'.join(each if each.strip('. ') else '_' for each in found)
