"""Where orders come from in this installation, and what the source holds right now.

Digests of single days are kept in the home folder beside a stamp of the source's files, so that a
run whose source has not changed need not read it to know that; those of a large source in the store
as well, so that no other machine has to. Both are caches: what is of another stamp, of other code,
or not whole counts for nothing.
"""

import contextlib
import json
import logging
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
from ml_pipeline.errors import SourceError, StoreError, nearest
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.model import ParamSet
from ml_pipeline.pipeline import datasets, sources
from ml_pipeline.pipeline.column_names import refuse_unusable
from ml_pipeline.pipeline.datasets import Day
from ml_pipeline.pipeline.locations import is_name
from ml_pipeline.places import Place
from ml_pipeline.settings import settings
from ml_pipeline.store.environments import store_in

FIRST_PARTY: Final = ("ml_pipeline.pipeline", "ml_pipeline.defs")
"""The reference pipeline's own code; the rest of the package is the toolkit."""
_TRUSTED_FOR_S: Final = 30.0
_LARGE: Final = 1_000_000
"""Orders of a source from which on another machine asks the store sooner than it reads them."""
log = logging.getLogger(__name__)

_shared: Final[dict[tuple[str, str], bytes]] = {}
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
    found = None if stamp is None else _kept(place, stamp)
    if found is None:
        settled = stamp is not None and sources.is_settled(place.location)
        found = datasets.days_of(place.location, place.columns)
        if stamp is not None and settled and sources.change_stamp(place.location) == stamp:
            _to_disk(place, _written(stamp, found))
    _remembered[str(place)] = (stamp, time.monotonic(), found)
    return found


def share(place: Place) -> None:
    """Keep what is known of a large source's days in the store, for processes of other machines.

    What cannot be kept only costs them time.

    Args:
        place: a source that was asked for its days.
    """
    stamp, _, found = _remembered.get(str(place), (None, 0.0, {}))
    if stamp is None or sum(day.rows for day in found.values()) < _LARGE:
        return
    asked = str(place), current_environment().store
    try:
        text = _cache_file(place).read_bytes()
        if _shared.get(asked) == text or _read(text, stamp) is None:
            return
        store = store_in(current_environment().name or None)
        if store.read(_path(place)) != text:
            store.overwrite(_path(place), text)
        _shared[asked] = text
    except (OSError, StoreError) as error:
        log.info("the digests of the days of %s are not kept in the store: %s", place, error)


def _kept(place: Place, stamp: str) -> Mapping[date, Day] | None:
    """Return what somebody has found in a source that has not changed since."""
    with contextlib.suppress(OSError):
        if (found := _read(_cache_file(place).read_bytes(), stamp)) is not None:
            return found
    try:
        text = store_in(current_environment().name or None).read(_path(place))
    except StoreError:
        return None
    found = _read(text or b"", stamp)
    if text is not None and found is not None:
        _to_disk(place, text)
    return found


def _cache_file(place: Place) -> Path:
    return settings().home / "cache" / f"days-{digest_of(str(place))}.json"


def _path(place: Place) -> str:
    return f".days/{digest_of(str(place))}.json"


def _written(stamp: str, found: Mapping[date, Day]) -> bytes:
    """Write down what was found in a source while it had a stamp."""
    held = {"stamp": stamp, "code": _code()}
    kept = {day.isoformat(): list(one) for day, one in found.items()}
    return json.dumps({**held, "days": kept, "seal": digest_of([held, kept])}).encode()


def _read(text: bytes, stamp: str | None) -> Mapping[date, Day] | None:
    """Read what was found in a source, unless it is of another stamp or code, or not whole."""
    try:
        content = json.loads(text)
        held, kept = {"stamp": content["stamp"], "code": content["code"]}, content["days"]
        if held != {"stamp": stamp, "code": _code()} or content["seal"] != digest_of([held, kept]):
            return None
        found = {date.fromisoformat(day): Day(rows, said) for day, (rows, said) in kept.items()}
    except (ValueError, KeyError, TypeError):
        return None
    return found


def _to_disk(place: Place, text: bytes) -> None:
    """Keep digests for the next process; a folder that cannot be written only costs time."""
    file = _cache_file(place)
    scratch = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(text)
        scratch.replace(file)
    except OSError:
        scratch.unlink(missing_ok=True)


@cache
def _code() -> str:
    """Fingerprint of the digesting itself: cached digests of other code are worth nothing."""
    return fingerprint_of(datasets.days_of, FIRST_PARTY).digest
