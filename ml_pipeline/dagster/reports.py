"""What assets that report on results have in common: their range, where a page goes, its links."""

from typing import Any, Final

import dagster as dg

from ml_pipeline.dagster.calendar import Calendar
from ml_pipeline.dagster.pages import page_links
from ml_pipeline.dagster.run_config import STOPPED
from ml_pipeline.errors import ParamsError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore

REPORT: Final = "report"
"""Name of the metadata that tells where the page of a report is."""

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
) -> dict[str, dg.MetadataValue[Any]]:
    """Write the page of a run's report into a store, and return metadata that says where it is."""
    path = f"{_REPORTS}/{asset}/{context.run.run_id}.html"
    store.overwrite(path, page.encode())
    return {
        **page_links(store.directory, report=path),
        REPORT: dg.MetadataValue.path(store.address(path)),
    }
