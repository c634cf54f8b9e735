"""Claims: who is computing what right now, so that two runs do not compute it twice.

A claim is a small object that its holder rewrites every few seconds. Whoever sees it unchanged for
longer than a lease, on their own clock, takes the holder for dead and takes over; at once where the
holder was a process of the same machine and has ended. Clocks of different machines are never
compared. A claim only saves work: publishing is what keeps two writers apart, so a claim that is
lost or taken wrongly costs one computation done twice.

Whoever goes on from an artifact to what is made of it keeps the one claim, which names what it
covers. That is published before it is used by others, so who makes any of it of the published
artifact looks for a claim on that one too.
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
    covers: Sequence[str] = (),
    behind: Sequence[str] = (),
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
        covers: assets that are made under the same claim, of this one.
        behind: claims that may cover this revision, by name.

    Yields:
        Whether to compute: False where another run has published while this one waited.

    Raises:
        BeingComputed: if somebody else holds the claim, and nobody waits.
    """
    claim = _Claim(store, name_of(slot, revision), lease_s, reads, covers)
    if not _acquire(claim, is_published, waits):
        yield False
        return
    stop = threading.Event()
    renewing = threading.Thread(target=claim.renew, args=(stop,), daemon=True)
    try:
        renewing.start()
        for other in behind:
            _await(claim, other, slot.asset, is_published, waits)
        # Between our last look and our claim another run may have published and let go.
        yield not is_published()
    finally:
        try:
            stop.set()
            renewing.join()
        finally:
            # Ctrl-C may come in this very moment.
            with contextlib.suppress(StoreError):
                claim.release()


def name_of(slot: Slot, revision: str) -> str:
    """Return the name of the claim on a revision."""
    return f"{CLAIMS}/{slot.asset.replace('/', '.')}-{slot.run_id}-{revision}"


class _Claim:
    """A claim that this process has, or wants.

    Attributes:
        signed_at: when the last sign of life was begun, on this process's own clock.
    """

    def __init__(
        self,
        store: ArtifactStore,
        path: str,
        lease_s: float,
        reads: Sequence[str],
        covers: Sequence[str],
    ) -> None:
        self.store = store
        self.path = path
        self.lease_s = lease_s
        self.about = {"reads": list(reads), **({"covers": list(covers)} if covers else {})}
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
        return json.dumps({**sign, "beat": uuid.uuid4().hex, **self.about}).encode()


class _Watch:
    """Looks at somebody else's claim again and again, for signs of life."""

    def __init__(self, store: ArtifactStore, path: str, lease_s: float) -> None:
        self.store = store
        self.path = path
        self.lease_s = lease_s
        self._seen, self._since = b"", time.monotonic()
        self._pause_s, self._has_paused = _POLL_S, False

    def removes(self, standing: bytes) -> bool:
        """Remove the claim if its holder is dead, and tell whether it was."""
        now = time.monotonic()
        if owner.is_gone(_field(standing, "owner") or ""):
            log.info("the process that computed %s has ended; taking over", self.path)
        elif standing != self._seen:
            self._seen, self._since = standing, now
            return False
        elif now - self._since > self.lease_s:
            log.warning("the run that computed %s has gone silent; taking over", self.path)
        else:
            return False
        self.store.remove(self.path)
        self._seen, self._since = b"", now
        return True

    def pause(self, waits: bool) -> None:
        """Wait a little.

        Raises:
            BeingComputed: if nobody waits.
        """
        if not waits:
            raise BeingComputed(f"{self.path} is being computed by another run.")
        if not self._has_paused:
            log.info("%s is being computed by another run; waiting for it", self.path)
            self._has_paused = True
        time.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 1.2, max(_POLL_S, self.lease_s / _POLLS_PER_LEASE))


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
    watch = _Watch(claim.store, claim.path, claim.lease_s)
    while not claim.take():
        standing = claim.store.read(claim.path)
        if standing is None:
            continue
        if claim.is_mine(standing):
            # The store was asked again, because its first answer was lost.
            return True
        if is_published():
            return False
        if not watch.removes(standing):
            watch.pause(waits)
    return True


def _await(
    claim: _Claim, other: str, asset: str, is_published: Callable[[], bool], waits: bool
) -> None:
    """Wait until nobody makes what is claimed under another claim, which covers it."""
    watch = _Watch(claim.store, other, claim.lease_s)
    while (standing := claim.store.read(other)) is not None and asset in _covered(standing):
        if is_published() or watch.removes(standing):
            return
        watch.pause(waits)


def _covered(standing: bytes) -> list[Any]:
    """Return the assets that are made under a claim besides its own."""
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        return list(json.loads(standing).get("covers", ()))
    return []


def _field(standing: bytes, name: str) -> str | None:
    try:
        return str(json.loads(standing)[name])
    except (ValueError, KeyError, TypeError):
        return None
