"""The store of an environment, beside the stores of those that it reads."""

from collections.abc import Callable
from typing import Final, TypeAlias

from ml_pipeline.environments import Environment
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.fallbacks import Fallback

_IN_CODE: Final = "store_root of the code location"
"""What says where a store is whose place no setting names."""

Stores: TypeAlias = Callable[[str | None], ArtifactStore]
"""Returns the store of an environment; this deployment's own where none is named."""


def store_in(
    environment: str | None = None,
    root: Callable[[Environment], str] = lambda environment: environment.store,
) -> ArtifactStore:
    """Open the store of an environment.

    Args:
        environment: whose; this deployment's own if None.
        root: returns the directory or URI of an environment's artifacts; as configured if omitted.

    Raises:
        KeyError: if none of that name is configured.
        StoreUnreachable: if it cannot be opened.
    """
    known = settings().environments
    found = known.named(environment)
    place = root(found)
    set_by = _IN_CODE if place != found.store else None
    if not found.name:
        store = ArtifactStore(place, setting=set_by)
        store.index = settings().index_place
        return store
    may_write = found.name in known.writable
    store = ArtifactStore(place, may_write, setting=set_by or f"environments.{found.name}.store")
    store.environment = found.name
    store.index = settings().index_place
    store.fallbacks = [Fallback(name, root(known.named(name))) for name in found.reads]
    return store
