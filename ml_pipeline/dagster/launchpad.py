"""Links that open Dagster's launchpad filled in.

The webserver has a page that takes config and tags from its address, and shows them in the
launchpad of a job, to be looked at, changed and launched. It does so only for jobs with a name: the
implicit job of all assets forgets what it was given. Hence a job of that kind,
which makes the same assets.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import urlencode

import dagster as dg
import yaml

from ml_pipeline.dagster.private import location_of, setup_page
from ml_pipeline.launch.names import Names
from ml_pipeline.launch.run_config import date_tags
from ml_pipeline.params.as_of import AsOf

WEBSERVER: Final = "http://127.0.0.1:3000"
"""Where `ml-pipeline ui` answers unless it is told otherwise."""

# The one in C is ten times faster, and not everywhere.
_DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


_location: ContextVar[str | None] = ContextVar("location", default=None)


@contextlib.contextmanager
def in_location(name: str) -> Iterator[None]:
    """Let runs of this process know which code location a webserver has for them.

    Args:
        name: of the code location: its module.
    """
    before = _location.set(name)
    try:
        yield
    finally:
        _location.reset(before)


def location_named(run: dg.DagsterRun) -> str | None:
    """Return the name of the code location that a run came from, if that is known."""
    return location_of(run) or _location.get()


def launchpad_link(
    names: Names,
    url: str,
    location: str,
    params: Mapping[str, Mapping[str, Any]],
    dates: Sequence[AsOf | None],
) -> str:
    """Return the address of a launchpad with parameters and dates filled in.

    Args:
        names: of the parts of the pipeline.
        url: where the webserver answers.
        location: name of the code location: its module.
        params: values, ``{group: {field: value}}``.
        dates: in order; those between the first and the last are asked for as well.
    """
    asked: Any = {
        "resources": {names.params: {"config": {g: dict(v) for g, v in params.items() if v}}}
    }
    fields = {"config": yaml.dump(asked, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)}
    for place, (key, value) in enumerate(date_tags(dates).items()):
        fields |= {f"tags[{place}][key]": key, f"tags[{place}][value]": value}
    return f"{setup_page(url, location, names.job)}?{urlencode(fields)}"
