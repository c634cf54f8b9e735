"""The form of a pipeline, which opens the launchpad of its job."""

from collections.abc import Sequence
from typing import Final

from ml_pipeline.dagster.axes import Axis, Windows
from ml_pipeline.dagster.calendar import Calendar
from ml_pipeline.dagster.private import setup_page
from ml_pipeline.launch.form.document import Dates, form_document
from ml_pipeline.launch.form.page import form_page
from ml_pipeline.launch.names import names_of
from ml_pipeline.params.as_of import as_of_from_key
from ml_pipeline.runs.stages import Pipeline

_MOST_KEYS: Final = 2000


def form_of(pipeline: Pipeline, calendar: Calendar, module: str, webserver: str) -> str:
    """Return the page that fills in a run of a pipeline.

    Args:
        pipeline: the stages.
        calendar: the partitions; of dynamic ones, those that there are now.
        module: name of the code location.
        webserver: where the webserver answers, to begin with.
    """
    dates = [_dates(name, axis) for name, axis in calendar.axes.items()]
    launchpad = setup_page("", module, names_of(pipeline).job)
    return form_page(form_document(pipeline, dates, launchpad, webserver))


def _dates(name: str, axis: Axis) -> Dates:
    keys = axis.keys
    if not isinstance(axis, Windows):
        shown = list(keys[-_MOST_KEYS:])
        is_open = axis.is_dynamic or len(keys) > _MOST_KEYS
        return Dates(name, shown, is_open=is_open, suggested=None if is_open else axis.latest)
    is_ending = axis.partitions.end is not None
    if axis.is_iso and _is_daily(keys):
        first, last = keys[0], keys[-1]
        return Dates(name, (), first, last, is_open=not is_ending, suggested=last)
    is_open = not is_ending or len(keys) > _MOST_KEYS
    return Dates(name, list(keys[-_MOST_KEYS:]), is_open=is_open, suggested=axis.latest)


def _is_daily(keys: Sequence[str]) -> bool:
    """Whether keys are all days from the first to the last."""
    if not keys:
        return False
    first, last = as_of_from_key(keys[0]), as_of_from_key(keys[-1])
    return (
        not isinstance(first, str)
        and not isinstance(last, str)
        and ((last - first).days + 1 == len(keys))
    )
