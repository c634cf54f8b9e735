"""Claims: who is computing what right now, so that two runs do not compute it twice.

A claim is a small object that its holder rewrites every few seconds. Whoever sees it unchanged for
longer than a lease, on their own clock, takes the holder for dead and takes over; at once where the
holder was a process of the same machine and has ended. Clocks of different machines are never
compared. A claim only saves work: publishing is what keeps two writers apart, so a claim that is
lost or taken wrongly costs one computation done twice.
"""

import contextlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Final

from ml_pipeline.errors import StoreError
from ml_pipeline.store import owner
from ml_pipeline.store.artifacts import CLAIMS, ArtifactStore
from ml_pipeline.store.slots import Slot

LEASE_S: Final = 15.0
_RENEWALS_PER_LEASE: Final = 5
_POLL_S: Final = 0.1

log = logging.getLogger(__name__)


class BeingComputed(Exception):
    """Another run holds the claim: a sign to whoever does not wait, never seen by a user."""


@contextlib.contextmanager
def claimed(
    store: ArtifactStore,
    slot: Slot,
    revision: str,
    is_published: Callable[[], bool],
    lease_s: float = LEASE_S,
    waits: bool = True,
) -> Iterator[bool]:
    """Hold the claim on a revision, or wait until whoever holds it has published.

    Args:
        store: where claims are kept, beside the artifacts.
        slot: the artifact's place.
        revision: the revision to be computed.
        is_published: tells whether the revision has appeared meanwhile.
        lease_s: seconds without a sign of life after which a holder counts as dead.
        waits: whether to wait for a holder that may be alive.

    Yields:
        Whether to compute: False where another run has published while this one waited.

    Raises:
        BeingComputed: if somebody else holds the claim, and nobody waits.
    """
    path = f"{CLAIMS}/{slot.asset.replace('/', '.')}-{slot.run_id}-{revision}"
    token = uuid.uuid4().hex
    if not _acquire(store, path, token, is_published, lease_s, waits):
        yield False
        return
    stop = threading.Event()
    renewing = threading.Thread(
        target=_renew, args=(store, path, token, stop, lease_s), daemon=True
    )
    try:
        renewing.start()
        # Between our last look and our claim another run may have published and let go.
        yield not is_published()
    finally:
        stop.set()
        renewing.join()
        with contextlib.suppress(StoreError):
            if _holder(store, path) == token:
                store.remove(path)


def _acquire(
    store: ArtifactStore,
    path: str,
    token: str,
    is_published: Callable[[], bool],
    lease_s: float,
    waits: bool,
) -> bool:
    seen, since = b"", time.monotonic()
    while not store.put_if_absent(path, _sign_of_life(token)):
        standing = store.read(path)
        if standing is None:
            continue
        if is_published():
            return False
        now = time.monotonic()
        if owner.is_gone(_field(standing, "owner") or ""):
            log.info("the process that computed %s has ended; taking over", path)
            store.remove(path)
            continue
        if not waits:
            raise BeingComputed(f"{path} is being computed by another run.")
        if standing != seen:
            if not seen:
                log.info("%s is being computed by another run; waiting for it", path)
            seen, since = standing, now
        elif now - since > lease_s:
            log.warning("the run that computed %s has gone silent; taking over", path)
            store.remove(path)
            seen, since = b"", now
            continue
        time.sleep(_POLL_S)
    return True


def _renew(
    store: ArtifactStore, path: str, token: str, stop: threading.Event, lease_s: float
) -> None:
    while not stop.wait(lease_s / _RENEWALS_PER_LEASE):
        with contextlib.suppress(StoreError):
            if _holder(store, path) == token:
                store.overwrite(path, _sign_of_life(token))


def _sign_of_life(token: str) -> bytes:
    sign = {"token": token, "owner": owner.token(), "beat": uuid.uuid4().hex}
    return json.dumps(sign).encode()


def _holder(store: ArtifactStore, path: str) -> str | None:
    standing = store.read(path)
    return None if standing is None else _field(standing, "token")


def _field(standing: bytes, name: str) -> str | None:
    try:
        return str(json.loads(standing)[name])
    except (ValueError, KeyError, TypeError):
        return None
