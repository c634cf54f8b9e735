"""Fallbacks: stores of other environments, read where one's own has nothing, and never written.

What is found there is copied before it is used, so that whatever is made of it can be located,
checked and promoted in one store, whatever becomes of the other. One that cannot be read is done
without: it costs time, and no run.
"""

from collections.abc import Callable
from typing import TypeVar

from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing, StoreUnreachable
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.copies import copy_artifact
from ml_pipeline.store.lineage import in_order, upstream
from ml_pipeline.store.record import Record
from ml_pipeline.store.slots import Slot

T = TypeVar("T")


class Fallback:
    """The store of another environment.

    Attributes:
        environment: whose store it is.
        root: its directory or URI.
        problem: why it cannot be read, or something in it; empty where nothing is known of that.
    """

    def __init__(self, environment: str, root: str) -> None:
        """Name a store; it is opened when it is first asked."""
        self.environment = environment
        self.root = root
        self.problem = ""
        self._store: ArtifactStore | None = None
        self._is_given_up = False

    def find(self, slot: Slot, revision: str) -> Record | None:
        """Return the record of a revision if it is published there and its bytes are there."""
        return self._asked(lambda store: store.find(slot, revision))

    def newest(self, slot: Slot) -> Record | None:
        """Return the newest published revision of a slot, if there is one."""
        found = self._asked(lambda store: store.revisions(slot))
        return found[0] if found else None

    def revisions(self, slot: Slot) -> list[Record]:
        """Return the readable published revisions of a slot, newest first."""
        return self._asked(lambda store: store.revisions(slot)) or []

    def read(self, path: str) -> bytes | None:
        """Return a small object whole, or None where there is none."""
        return self._asked(lambda store: store.read(path))

    def copy(self, directory: str, to: ArtifactStore) -> Record | None:
        """Copy an artifact and what it was made from, as far as that is there, to another store.

        Returns:
            The record that the other store has then; None where it has to do without.
        """

        def copy(store: ArtifactStore) -> Record:
            record = store.read_record(directory)
            made_from = upstream([record] if record else [], lambda r: store.read_record(r.path))
            known = {made.path: found for _, made, found in made_from if found is not None}
            for path in in_order(known):
                copy_artifact(store, to, path)
            return copy_artifact(store, to, directory)

        return self._asked(copy)

    def _asked(self, ask: Callable[[ArtifactStore], T]) -> T | None:
        if self._is_given_up:
            return None
        try:
            if self._store is None:
                setting = f"environments.{self.environment}.store"
                self._store = ArtifactStore(self.root, False, setting)
            return ask(self._store)
        except (ArtifactDamaged, ArtifactMissing) as error:
            self.problem = str(error)
        except StoreUnreachable as error:
            # Each further question would take as long.
            self.problem, self._is_given_up = str(error), True
        return None
