"""What check_data.py found, as text and as JSON."""

from __future__ import annotations

from typing import Any

from mmada.diagnostics.data import KINDS, Tally
from mmada.diagnostics.data.data_set import Checked

SEVERITIES = ('error', 'warning')


def text_of(tally: Tally) -> list[str]:
    """Return a line for each kind of fault, errors first."""
    lines = []
    for severity in SEVERITIES:
        for name in tally.of(severity):
            kind, count = KINDS[name], tally.counts[name]
            examples = tally.examples[name]
            more = ', ...' if count > len(examples) else ''
            lines.append(
                f'{severity}: {count} {kind.title} '
                f'({"; ".join(examples)}{more}). {kind.effect}'
            )
    return lines or ['no faults']


def heading(checked: Checked) -> str:
    """Return what was looked at."""
    return (
        f'{checked.data.ann_file}: {len(checked.images)} images, '
        f'{checked.opened} of them opened'
    )


def json_of(tally: Tally) -> list[dict[str, Any]]:
    """Return the faults as JSON, errors first."""
    return [
        dict(
            KINDS[name]._asdict(),
            kind=name,
            count=tally.counts[name],
            examples=tally.examples[name],
        )
        for severity in SEVERITIES
        for name in tally.of(severity)
    ]


def total_of(tallies: list[Tally]) -> dict[str, int]:
    """Return the number of errors and of warnings."""
    return {
        f'{severity}s': sum(
            tally.counts[name]
            for tally in tallies
            for name in tally.of(severity)
        )
        for severity in SEVERITIES
    }
