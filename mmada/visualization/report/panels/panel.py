"""A section of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mmada.visualization.report.advice import Advice
from mmada.visualization.report.chart import Chart


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column names them.

    Attributes:
        header: Of the columns.
        rows: As wide as the header.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """One view of a test image.

    Attributes:
        title: What it shows.
        data: The picture as a data URI.
        caption: Below it.
    """

    title: str
    data: str
    caption: str = ''


@dataclass(frozen=True)
class GalleryRow:
    """A test image and what models say about it.

    Attributes:
        name: Of the image.
        note: What changed.
        pictures: Its views, in the same order in all rows.
    """

    name: str
    note: str
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Panel:
    """A section: findings, plots and tables under one heading.

    Attributes:
        key: Its anchor, unique in a report.
        title: Its heading.
        caption: What it shows and what to look for.
        advice: Findings in plain language.
        charts: Plots.
        tables: Tables.
        gallery: Images.
        legend: Colour and name of the classes in the images.
        text: Long text, folded away.
    """

    key: str
    title: str
    caption: str
    advice: Sequence[Advice] = field(default=())
    charts: Sequence[Chart] = field(default=())
    tables: Sequence[Table] = field(default=())
    gallery: Sequence[GalleryRow] = field(default=())
    legend: Sequence[tuple[str, str]] = field(default=())
    text: str = ''
