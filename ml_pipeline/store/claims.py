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
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ml_pipeline.errors import StoreError
from ml_pipeline.store import owner
from ml_pipeline.store.artifacts import CLAIMS, ArtifactStore
from ml_pipeline.store.slots import Slot

LEASE_S: Final = 15.0
_RENEWALS_PER_LEASE: Final = 5
_POLL_S: Final = 0.1
_POLLS_PER_LEASE: Final = 15

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
    reads: Sequence[str] = (),
) -> Iterator[bool]:
    """Hold the claim on a revision, or wait until whoever holds it has published.

    Args:
        store: where claims are kept, beside the artifacts.
        slot: the artifact's place.
        revision: the revision to be computed.
        is_published: tells whether the revision has appeared meanwhile.
        lease_s: seconds without a sign of life after which a holder counts as dead.
        waits: whether to wait for a holder that may be alive.
        reads: directories of what is read meanwhile, which nobody removes then.

    Yields:
        Whether to compute: False where another run has published while this one waited.

    Raises:
        BeingComputed: if somebody else holds the claim, and nobody waits.
    """
    path = f"{CLAIMS}/{slot.asset.replace('/', '.')}-{slot.run_id}-{revision}"
    claim = _Claim(store, path, lease_s, reads)
    if not _acquire(claim, is_published, waits):
        yield False
        return
    stop = threading.Event()
    renewing = threading.Thread(target=claim.renew, args=(stop,), daemon=True)
    try:
        renewing.start()
        # Between our last look and our claim another run may have published and let go.
        yield not is_published()
    finally:
        stop.set()
        renewing.join()
        with contextlib.suppress(StoreError):
            claim.release()


class _Claim:
    """A claim that this process has, or wants.

    Attributes:
        signed_at: when the last sign of life was begun, on this process's own clock.
    """

    def __init__(
        self, store: ArtifactStore, path: str, lease_s: float, reads: Sequence[str]
    ) -> None:
        self.store = store
        self.path = path
        self.lease_s = lease_s
        self.reads = list(reads)
        self.token = uuid.uuid4().hex
        self.signed_at = 0.0

    def take(self) -> bool:
        """Put the claim in place and tell whether the place was free."""
        signed_at = time.monotonic()
        if not self.store.put_if_absent(self.path, self._sign_of_life()):
            return False
        self.signed_at = signed_at
        return True

    def renew(self, stop: threading.Event) -> None:
        """Show that the holder lives, until it stops."""
        while not stop.wait(self.lease_s / _RENEWALS_PER_LEASE):
            with contextlib.suppress(StoreError):
                if self.is_held():
                    signed_at = time.monotonic()
                    self.store.overwrite(self.path, self._sign_of_life())
                    self.signed_at = signed_at

    def release(self) -> None:
        """Take the claim away, if it is still this one."""
        if self.is_held():
            self.store.remove(self.path)

    def is_held(self) -> bool:
        """Whether nobody has taken over.

        Nobody does before a lease has passed since the last sign of life. So a store elsewhere is
        not asked for half of one: the rest is for what is on its way meanwhile.
        """
        is_far = self.store.directory is None
        if is_far and time.monotonic() - self.signed_at < self.lease_s / 2:
            return True
        standing = self.store.read(self.path)
        return standing is not None and self.is_mine(standing)

    def is_mine(self, standing: bytes) -> bool:
        """Whether what stands in the place is this claim."""
        return _field(standing, "token") == self.token

    def _sign_of_life(self) -> bytes:
        sign: dict[str, Any] = {"token": self.token, "owner": owner.token()}
        sign |= {"beat": uuid.uuid4().hex, "reads": self.reads}
        return json.dumps(sign).encode()


def names(store: ArtifactStore) -> list[str]:
    """Return the names of all claims."""
    return sorted(entry["path"] for entry in store.entries(CLAIMS))


def read_by_holders(store: ArtifactStore) -> set[str]:
    """Return the directories of what holders of claims read right now."""
    found: set[str] = set()
    for path in names(store):
        with contextlib.suppress(ValueError, AttributeError):
            found.update(json.loads(store.read(path) or b"{}").get("reads", ()))
    return found


def _acquire(claim: _Claim, is_published: Callable[[], bool], waits: bool) -> bool:
    store, path = claim.store, claim.path
    seen, since, pause_s = b"", time.monotonic(), _POLL_S
    while not claim.take():
        standing = store.read(path)
        if standing is None:
            continue
        if claim.is_mine(standing):
            # The store was asked again, because its first answer was lost.
            return True
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
        elif now - since > claim.lease_s:
            log.warning("the run that computed %s has gone silent; taking over", path)
            store.remove(path)
            seen, since = b"", now
            continue
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.2, max(_POLL_S, claim.lease_s / _POLLS_PER_LEASE))
    return True


def _field(standing: bytes, name: str) -> str | None:
    try:
        return str(json.loads(standing)[name])
    except (ValueError, KeyError, TypeError):
        return None
