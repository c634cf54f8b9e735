"""The sections of a model card that a record can fill, and how they are written as Markdown."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ml_pipeline.params.history import present, told_names
from ml_pipeline.params.model import ParamModel, nested
from ml_pipeline.runs.card import Card, paragraphs
from ml_pipeline.store.record import Record
from ml_pipeline.text import for_markdown, in_full, markdown_table

UNSTATED: Final = (
    "Nothing is stated: `card=Card(intended_use=..., limits=...)` of the stage states it.",
)


@dataclass(frozen=True)
class Section:
    """One section of a card.

    Attributes:
        title: its heading.
        words: paragraphs; a command in them stands in backticks.
        columns: names of the columns of its table.
        rows: the table; None where nothing is known.
        pictures: what it shows, as SVG.
    """

    title: str
    words: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    pictures: tuple[str, ...] = ()

    def is_empty(self, with_pictures: bool = True) -> bool:
        """Whether there is nothing to say, in pictures either if they are wanted."""
        return not (self.words or self.rows or (self.pictures and with_pictures))


def markdown(title: str, sections: Iterable[Section], with_pictures: bool = True) -> str:
    """Return a card as Markdown.

    Args:
        title: its heading.
        sections: what stands in it; empty ones are left out.
        with_pictures: whether pictures are put in, each as one long line.
    """
    parts = [f"# {for_markdown(title)}\n"]
    for section in sections:
        if section.is_empty(with_pictures):
            continue
        parts.append(f"## {for_markdown(section.title)}\n")
        parts += [f"{_with_commands(text)}\n" for text in section.words]
        if section.rows:
            filled = [["" if value is None else value for value in row] for row in section.rows]
            parts.append(markdown_table(section.columns, filled))
        for svg in section.pictures if with_pictures else ():
            data = b64encode(svg.encode()).decode()
            parts.append(f"![{for_markdown(section.title)}](data:image/svg+xml;base64,{data})\n")
    return "\n".join(parts)


def title_of(record: Record) -> str:
    """Return the heading of a card."""
    at = f" of {record.as_of}" if record.as_of is not None else ""
    return f"Model card: {record.asset} {record.run_id}{at}"


def about(record: Record, description: str | None) -> Section:
    """Say what was made, when and by what."""
    around = record.provenance
    content = record.content
    shape = ", ".join(f"{count} {name}" for name, count in content.shape.items())
    size = f"{content.bytes} bytes of {content.format}{f', {shape}' if shape else ''}"
    rows = (
        ("asset", record.asset),
        ("run id", record.run_id),
        ("revision", record.revision),
        ("as of", str(record.as_of) if record.as_of is not None else None),
        ("made at", f"{record.started_at:%Y-%m-%d %H:%M:%S} UTC in {record.duration_s:.2f} s"),
        ("environment", around.environment),
        ("Dagster run", around.dagster_run_id),
        ("content", size),
        ("digest", content.digest),
    )
    known = tuple(row for row in rows if row[1] is not None)
    return Section("About", paragraphs(description or ""), ("", ""), known)


def stated(card: Card | None) -> list[Section]:
    """Return what the author of the stage says."""
    card = card or Card()
    return [
        Section("Intended use", paragraphs(card.intended_use) or UNSTATED),
        Section("Limits", paragraphs(card.limits) or UNSTATED),
    ]


def parameters(record: Record, model: ParamModel | None) -> Section:
    """List all parameters of a run by the names that they have now, and where each came from."""
    values = present(model, record.params)
    origins = present(model, nested(record.origins))
    names = told_names(model, values)
    rows = [
        (names[dotted], in_full(value), origins.get(dotted, "default"))
        for dotted, value in values.items()
    ]
    first = sorted(rows, key=lambda row: row[2] == "default")
    return Section("Parameters", (), ("parameter", "value", "from"), tuple(first))


def data(window: str | None, record: Record, made_from: Mapping[str, Record | None]) -> Section:
    """Tell which data an artifact was made from.

    Args:
        window: in words, as the author tells it.
        record: the artifact's.
        made_from: records of what it was made from by asset; None for what is not known any more.
    """
    columns = ("made from", "run id", "revision", "rows", "bytes", "digest", "source")
    named = {asset: _input_row(asset, made, record) for asset, made in made_from.items()}
    own = [("outside data", None, None, None, None, None, record.external)]
    others = [
        (key if other.partition is None else f"{key} of {other.partition}", None, other.version)
        + (None,) * 4
        for key, other in record.others.items()
    ]
    rows = (*named.values(), *(own if record.external else ()), *others)
    return Section("Data", (window,) if window else (), columns, tuple(rows))


def _input_row(asset: str, made: Record | None, record: Record) -> tuple[Any, ...]:
    if made is None:
        read = record.inputs.get(asset)
        known = (read.run_id, read.revision) if read is not None else (None, None)
        return (asset, *known, "gone", None, read.digest if read is not None else None, None)
    content = made.content
    rows = content.shape.get("rows")
    return (
        *(asset, made.run_id, made.revision, rows, content.bytes, content.digest),
        made.external,
    )


def metrics(record: Record) -> Section:
    """List the metrics of an artifact as they were when it was made."""
    rows = tuple(record.metrics.items())
    return Section("Metrics", (), ("metric", "value"), rows)


def code(records: Mapping[str, Record]) -> Section:
    """Tell the code and the packages that artifacts were made by.

    Args:
        records: by asset, what the card is about first.
    """
    first = next(iter(records.values()))
    around = first.provenance
    dirty = " with uncommitted changes" if around.git_dirty else ""
    rows: list[tuple[str, str | None]] = [
        (f"code of {asset}", record.code) for asset, record in records.items()
    ]
    if around.git_commit:
        rows.insert(0, ("commit", f"{around.git_commit}{dirty}"))
    if around.python:
        rows.append(("python", around.python))
    rows += sorted({**around.packages, **first.packages}.items())
    return Section("Code and packages", (), ("what", "version"), tuple(rows))


def _with_commands(text: str) -> str:
    """Return a paragraph as Markdown: what stands in backticks as code, all else for itself."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return for_markdown(text)
    return "`".join(
        part if place % 2 else _piece(part, is_first=place == 0) for place, part in enumerate(parts)
    )


def _piece(text: str, is_first: bool) -> str:
    lead = text[: len(text) - len(text.lstrip())]
    tail = text[len(text.rstrip()) :] if text.strip() else ""
    return f"{'' if is_first else lead}{for_markdown(text)}{tail}"
