"""Combinations listed in a file, one parameter set a row."""

import csv
import io
from pathlib import Path
from typing import Any

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.documents import read_file


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read combinations from a CSV, JSON, YAML or TOML file.

    A CSV file has parameters as columns; an empty cell leaves the default. The others hold a list
    of mappings, or a mapping whose only name is ``trials`` and holds that list.

    Raises:
        ParamsError: if the file cannot be read so.
    """
    if path.suffix.lower() == ".csv":
        return _csv(path)
    document = read_file(path)
    if isinstance(document, dict) and list(document) == ["trials"]:
        document = document["trials"]
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise ParamsError([f"{path} must be a list of mappings, one for each trial"])
    if not document:
        raise ParamsError([f"{path} must list at least one trial, but is empty"])
    return document


def _csv(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ParamsError([f"{path} cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ParamsError([f"{path} must be UTF-8 text"]) from error
    lines = list(csv.reader(io.StringIO(text)))
    rows = [line for line in lines if any(cell.strip() for cell in line)]
    if len(rows) < 2:
        raise ParamsError([f"{path} must have a line of names and at least one of values"])
    names = [name.strip() for name in rows[0]]
    problems = []
    if len(set(names)) < len(names) or not all(names):
        problems.append(f"{path} must name every column, and no two alike")
    problems += [
        f"{path} must have {len(names)} values in each row, but row {place} has {len(row)}"
        for place, row in enumerate(rows[1:], 2)
        if len(row) != len(names)
    ]
    if problems:
        raise ParamsError(problems)
    return [
        {name: cell.strip() for name, cell in zip(names, row, strict=True) if cell.strip()}
        for row in rows[1:]
    ]
