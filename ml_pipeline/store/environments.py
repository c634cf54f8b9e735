"""The store of an environment, beside the stores of those that it reads."""

from collections.abc import Callable
from typing import TypeAlias

from ml_pipeline.environments import Environment
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.fallbacks import Fallback

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
    if not found.name:
        return ArtifactStore(root(found))
    may_write = found.name in known.writable
    store = ArtifactStore(root(found), may_write, setting=f"environments.{found.name}.store")
    store.environment = found.name
    store.fallbacks = [Fallback(name, root(known.named(name))) for name in found.reads]
    return store
