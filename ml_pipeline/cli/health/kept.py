"""What is kept: stores, their clock, the index, and studies."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ml_pipeline.addresses import masked
from ml_pipeline.cli.health.finding import Finding
from ml_pipeline.cli.project import Project
from ml_pipeline.environments import Environment
from ml_pipeline.errors import IndexUnusable, StoreError
from ml_pipeline.store.artifacts import CLAIMS, ArtifactStore
from ml_pipeline.sweeps.study_storage import file_of, reaching

_MOST_SKEW_S: Final = 30.0


def store(served: Project, environment: Environment) -> Iterator[Finding]:
    """Look whether the store of an environment can be read and, where it may be, written."""
    name = f"store {environment.name}".strip()
    root = served.location.store_root(environment)
    may_write = served.settings.environments.refusal(environment.name or None) is None
    if "://" not in root and not may_write and not Path(root).exists():
        yield Finding(name, "warning", f"nothing was written to {root} yet, or it is not mounted")
        return
    opened = served.location.store_in(environment.name or None)
    assets = [one for one in opened.children("") if not one.startswith(".")]
    if not may_write:
        yield Finding(name, "ok", f"{opened.uri} can be read; {len(assets)} assets")
        return
    path = f"{CLAIMS}/doctor-{uuid.uuid4().hex}"
    try:
        first = opened.put_if_absent(path, b"{}")
        written_at = datetime.now(UTC)
        second = opened.put_if_absent(path, b"[]")
        if not first or second or opened.read(path) != b"{}":
            yield Finding(
                name,
                "problem",
                f"{opened.uri} must refuse to write over what is there where it is asked to, but"
                " does not: two writers of one result would not be told apart",
                "Use a server that knows conditional writes (`If-None-Match: *`).",
            )
            return
        seen = [one["last_modified"] for one in opened.entries(CLAIMS) if one["path"] == path]
    finally:
        with contextlib.suppress(StoreError):
            opened.remove(path)
    yield Finding(name, "ok", f"{opened.uri} can be read and written, atomically")
    yield from (_clock(name, opened, (time - written_at).total_seconds()) for time in seen)


def _clock(name: str, opened: ArtifactStore, skew_s: float) -> Finding:
    check = name.replace("store", "clock", 1)
    if abs(skew_s) <= _MOST_SKEW_S:
        return Finding(check, "ok", f"within {_MOST_SKEW_S:.0f} s of that of {opened.uri}")
    ahead = "ahead of" if skew_s > 0 else "behind"
    return Finding(
        check,
        "warning",
        f"that of {opened.uri} is {abs(skew_s):.0f} s {ahead} this machine's",
        "Let both follow a time server: ages of what can go are taken by this machine's clock.",
    )


def index(served: Project, environment: Environment) -> Iterator[Finding]:
    """Look whether the index can be used, and how far it is behind."""
    from ml_pipeline.index.upkeep import place_of, standing

    name = f"index {environment.name}".strip()
    opened = served.location.store_in(environment.name or None)
    if opened.index is None:
        yield Finding(name, "ok", "none, as ML_PIPELINE_INDEX says: lists read the store")
        return
    listed = served.listed
    try:
        found = standing(opened, listed.kept_names(listed.stages))
    except IndexUnusable as error:
        yield Finding(name, "warning", masked(str(error)), "All works without it, but slower.")
        return
    counts = sum(one.read for one in found), sum(one.lacking + one.gone for one in found)
    behind = f"{counts[1]} behind, which the next question makes up for" if counts[1] else "current"
    yield Finding(name, "ok", f"{place_of(opened)}: {counts[0]} records, {behind}")
    if unreadable := sum(one.unreadable for one in found):
        said = f"{unreadable} records cannot be read"
        yield Finding(name, "warning", said, "`ml-pipeline verify` names them.")


def studies(served: Project, environment: Environment) -> Iterator[Finding]:
    """Look whether studies can be read, and their folder written."""
    name = f"studies {environment.name}".strip()
    place = served.location.studies(environment)
    if file_of("", place) is not None:
        folder = Path(place).expanduser()
        there = next(one for one in (folder, *folder.parents) if one.exists())
        if os.access(there, os.W_OK):
            yield Finding(name, "ok", f"{place} can be written")
        else:
            yield Finding(name, "problem", f"{there} cannot be written", "Change who may.")
        return
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with reaching(place):
        count = len(optuna.get_all_study_names(place))
    yield Finding(name, "ok", f"{masked(place)} can be reached: {count} studies")
