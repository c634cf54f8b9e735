"""Where orders come from in this installation, and what the source holds right now.

Digests of single days are kept in the home folder beside a stamp of the source's files, so that a
run whose source has not changed need not read it to know that.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from ml_pipeline.code.fingerprint import fingerprint_of
from ml_pipeline.current import current_environment
from ml_pipeline.defs.config import DataParams
from ml_pipeline.errors import SourceError, nearest
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.model import ParamSet
from ml_pipeline.pipeline import datasets, sources
from ml_pipeline.pipeline.column_names import refuse_unusable
from ml_pipeline.pipeline.datasets import Day
from ml_pipeline.pipeline.locations import is_name
from ml_pipeline.places import Place
from ml_pipeline.settings import settings

FIRST_PARTY: Final = ("ml_pipeline.pipeline", "ml_pipeline.defs")
"""The reference pipeline's own code; the rest of the package is the toolkit."""
_TRUSTED_FOR_S: Final = 30.0
_remembered: Final[dict[str, tuple[str | None, float, Mapping[date, Day]]]] = {}


def window(as_of: date, data: DataParams) -> tuple[date, date]:
    """Return the first and the last day whose orders a run may use."""
    return as_of - timedelta(days=data.history_days - 1), as_of


def locate(source: str) -> Place:
    """Return the place that a source stands for.

    Raises:
        SourceError: if it is a name that this installation does not know.
    """
    if not is_name(source) or source == sources.SAMPLE:
        return Place(location=source)
    known = current_environment().sources
    if source not in known:
        raise SourceError(
            f"source must be {sources.SAMPLE}, a path, a URI or a configured name, but '{source}'"
            f" is not configured.{nearest(source, [*known, sources.SAMPLE])} Configured names:"
            f" {', '.join(known) or 'none'}. Add it to settings.toml under [sources]."
        )
    found = known[source]
    return Place(location=found) if isinstance(found, str) else found


def problems(params: ParamSet) -> Iterator[str]:
    """Tell why a run cannot read its source at all, which is seen before there is a run.

    Args:
        params: the parameters of the run.
    """
    data = params.groups["data"]
    if isinstance(data, DataParams):
        try:
            place = locate(data.source)
            refuse_unusable(place.columns, f"source '{data.source}'")
            sources.refuse_missing(place.location)
        except SourceError as error:
            yield f"data.source: {error}"


def opened(source: str) -> Place:
    """Return the place that a source stands for, to read it now.

    Raises:
        SourceError: if it is a name that this installation does not know.
    """
    place = locate(source)
    held = _remembered.get(str(place))
    if held is not None and held[0] is None:
        # Whoever asks after reading whether it has changed must not hear what was known before.
        del _remembered[str(place)]
    return place


def digest(as_of: date, data: DataParams) -> str:
    """Return a digest of the orders that a run would use now.

    Raises:
        SourceError: if the source cannot be read.
    """
    first, last = window(as_of, data)
    held = day_digests(locate(data.source))
    return digest_of({day.isoformat(): one for day, one in held.items() if first <= day <= last})


def day_digests(place: Place) -> Mapping[date, str]:
    """Return the content digest of every day of a source, as `days` has it."""
    return {day: one.digest for day, one in days(place).items()}


def days(place: Place) -> Mapping[date, Day]:
    """Return what every day of a source has, reading it only if it may have changed.

    Raises:
        SourceError: if the source cannot be read.
    """
    stamp = sources.change_stamp(place.location)
    held = _remembered.get(str(place))
    # A source that cannot be stamped may change at any time: what was read of it counts for about
    # one run, not for the life of a daemon.
    if (
        held is not None
        and held[0] == stamp
        and (stamp is not None or time.monotonic() - held[1] < _TRUSTED_FOR_S)
    ):
        return held[2]
    found = _from_disk(place, stamp)
    if found is None:
        found = datasets.days_of(place.location, place.columns)
        if stamp is not None:
            _to_disk(place, stamp, found)
    _remembered[str(place)] = (stamp, time.monotonic(), found)
    return found


def _cache_file(place: Place) -> Path:
    return settings().home / "cache" / f"days-{digest_of(str(place))}.json"


def _from_disk(place: Place, stamp: str | None) -> Mapping[date, Day] | None:
    if stamp is None:
        return None
    try:
        content = json.loads(_cache_file(place).read_bytes())
        if content["stamp"] != stamp or content["code"] != _code():
            return None
        held = content["days"].items()
        return {date.fromisoformat(day): Day(rows, digest) for day, (rows, digest) in held}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _to_disk(place: Place, stamp: str, found: Mapping[date, Day]) -> None:
    """Keep digests for the next process; a folder that cannot be written only costs time."""
    file = _cache_file(place)
    scratch = file.with_suffix(f".{os.getpid()}")
    content = {
        "stamp": stamp,
        "code": _code(),
        "days": {day.isoformat(): list(one) for day, one in found.items()},
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps(content))
        scratch.replace(file)
    except OSError:
        scratch.unlink(missing_ok=True)


@cache
def _code() -> str:
    """Fingerprint of the digesting itself: cached digests of other code are worth nothing."""
    return fingerprint_of(datasets.days_of, FIRST_PARTY).digest
