"""What assets that report on results have in common: their range, where a page goes, its links."""

from typing import Final

import dagster as dg

from ml_pipeline.dagster.calendar import Calendar
from ml_pipeline.dagster.run_config import STOPPED
from ml_pipeline.errors import ParamsError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore

_REPORTS: Final = ".reports"


def writable(environment: str | None) -> str | None:
    """Return the name of an environment whose store a report is written to.

    Raises:
        ParamsError: if there is none such, or this deployment may not write there.
    """
    known = settings().environments
    problem = known.unknown(environment) or known.refusal(environment)
    if problem is not None:
        raise ParamsError([f"environment {problem}"], STOPPED)
    return environment


def bound(calendar: Calendar, name: str, text: str | None) -> AsOf | None:
    """Return the first or last date that is asked for; None where none is.

    Raises:
        ParamsError: if it is no key.
    """
    try:
        return calendar.bound(name, text) if text is not None else None
    except ValueError as error:
        raise ParamsError([str(error)], STOPPED) from None


def kept(
    page: str, asset: str, store: ArtifactStore, context: dg.AssetExecutionContext
) -> dg.MetadataValue[str | None]:
    """Write the page of a run's report into a store, and return where it is."""
    path = f"{_REPORTS}/{asset}/{context.run.run_id}.html"
    store.overwrite(path, page.encode())
    return dg.MetadataValue.path(store.address(path))
