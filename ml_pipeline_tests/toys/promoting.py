"""Promoting and going back in a process that dies at a given line of the package's code."""

import sys
from pathlib import Path

from ml_pipeline.runs.catalog import Entry
from ml_pipeline.runs.promotion import Terms, promote, roll_back
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.process import count_lines


def promoting(source: str, target: str, path: str, counted: str, die_at: int | None) -> None:
    """Promote what is in a directory of one store to another."""
    store = ArtifactStore(source)
    record = store.read_record(path)
    assert record is not None
    there = ArtifactStore(target)
    lines = count_lines(die_at if die_at is not None else sys.maxsize)
    promote(store, Entry(path, record), "prod", Terms(source="staging"), there)
    sys.settrace(None)
    Path(counted).write_text(str(lines[0]))


def going_back(target: str, counted: str, die_at: int | None) -> None:
    """Go back to what was promoted before."""
    there = ArtifactStore(target)
    lines = count_lines(die_at if die_at is not None else sys.maxsize)
    roll_back(there, "prod")
    sys.settrace(None)
    Path(counted).write_text(str(lines[0]))
