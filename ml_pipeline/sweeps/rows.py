"""Combinations listed in a file, one parameter set a row."""

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

from ml_pipeline.errors import ParamsError, nearest
from ml_pipeline.leaderboard.report import OWN_COLUMNS
from ml_pipeline.params.annotations import accepts
from ml_pipeline.params.documents import read_file
from ml_pipeline.params.model import ParamModel
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.text import from_csv, shortened

_MOST_BYTES: Final = 20_000_000
_MOST_TOLD: Final = 5
_OF_A_LEADERBOARD: Final = frozenset(("metric", "rank", "mean"))


def read_rows(path: Path, model: ParamModel) -> list[dict[str, Any]]:
    """Read combinations from a CSV, JSON, YAML or TOML file.

    A CSV file has parameters as columns; an empty cell leaves the default. In one that a
    leaderboard was written to, the leaderboard's own columns are passed over. The others hold a
    list of mappings, or a mapping whose only name is ``trials`` and holds that list.

    Args:
        path: the file.
        model: the parameters.

    Raises:
        ParamsError: if the file cannot be read so.
    """
    if path.suffix.lower() == ".csv":
        return _csv(path, model)
    document = read_file(path)
    if isinstance(document, dict) and list(document) == ["trials"]:
        document = document["trials"]
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise ParamsError([f"{path} must be a list of mappings, one for each trial"])
    if not document:
        raise ParamsError([f"{path} must list at least one trial, but is empty"])
    return document


def _csv(path: Path, model: ParamModel) -> list[dict[str, Any]]:
    lines = _lines(path)
    if len(lines) < 2:
        raise ParamsError([f"{path} must have a line of names and at least one of values"])
    (_, names), *rows = lines
    names = [name.strip() for name in names]
    problems = []
    if len(set(names)) < len(names) or not all(names):
        problems.append(f"{path} must name every column, and no two alike")
    if short := [(place, row) for place, row in rows if len(row) != len(names)]:
        place, row = short[0]
        more = f" (and {len(short) - 1} more are wrong)" if len(short) > 1 else ""
        problems.append(
            f"{path} must have {len(names)} values in each row, but row {place} has"
            f" {len(row)}{more}"
        )
    if problems:
        raise ParamsError(problems)
    of_board = names if set(names) >= _OF_A_LEADERBOARD else []
    columns, unknown = _columns(model, names, of_board)
    if unknown:
        problems.append(_unknown(path, model, columns, unknown))
    if not columns:
        problems.append(f"{path} must have at least one parameter as a column, but has none")
    found: list[dict[str, Any]] = []
    emptied: dict[str, list[int]] = {}
    for place, row in rows:
        found.append({})
        for name, parameter in columns.items():
            cell = row[names.index(name)]
            if of_board:
                if not cell and _is_text(parameter) and parameter.default != "":
                    emptied.setdefault(name, []).append(place)
                cell = _verbatim(parameter, cell)
            if cell.strip():
                found[-1][name] = cell.strip()
    problems += [
        f"{path}: '{name}' is empty in {_some('row', places)}, which is no text or a value that was"
        " not known: fill it in, or leave the rows out"
        for name, places in emptied.items()
    ]
    if problems:
        raise ParamsError(problems)
    return found


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank, each with its number in the file."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ParamsError([f"{path} must be of at most {_MOST_BYTES:,} bytes, but is larger"])
        text = data.decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except OSError as error:
        raise ParamsError([f"{path} cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ParamsError([f"{path} must be UTF-8 text"]) from error
    except csv.Error as error:
        raise ParamsError([f"{path} must be CSV with commas, but: {error}"]) from error
    filled = [line for line in lines if any(cell.strip() for cell in line)]
    return list(enumerate(filled, 1))


def _columns(
    model: ParamModel, names: Sequence[str], of_board: Sequence[str]
) -> tuple[dict[str, Parameter], list[str]]:
    """Return the parameters by column, and the columns that are none."""
    columns: dict[str, Parameter] = {}
    unknown = []
    for name in names:
        try:
            columns[name] = model.find(name)
        except ParamsError:
            if name not in of_board or name not in OWN_COLUMNS:
                unknown.append(name)
    return columns, unknown


def _unknown(path: Path, model: ParamModel, columns: Collection[str], names: Sequence[str]) -> str:
    known = [parameter.told for parameter in model.parameters()]
    told = [f"'{shortened(name)}'" for name in names[:_MOST_TOLD]]
    more = f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else ""
    keep = ", ".join(columns) or "those that are parameters"
    return (
        f"{path} must have only parameters as columns, but has {', '.join(told)}{more}: keep"
        f" {keep}.{nearest(names[0], known)}"
    )


def _is_text(parameter: Parameter) -> bool:
    return accepts(parameter.info, str) and not accepts(
        parameter.info, bool, int, float, list, dict
    )


def _verbatim(parameter: Parameter, cell: str) -> str:
    """Return what a leaderboard wrote so that no text in it is read as more than text."""
    text = from_csv(cell)
    is_bare = not text or not accepts(parameter.info, str)
    has_members = parameter.kind.holds_members and text[:1] in ("[", "{")
    return text if is_bare or has_members else f'"{text}"'


def _some(thing: str, places: Sequence[int]) -> str:
    named = ", ".join(str(place) for place in places[:_MOST_TOLD])
    more = f" and {len(places) - _MOST_TOLD} more" if len(places) > _MOST_TOLD else ""
    return f"{thing}{'s' if len(places) > 1 else ''} {named}{more}"
