"""The environment that something is promoted in: whether it can be, and where its ledger is."""

from ml_pipeline.environments import Environments
from ml_pipeline.errors import nearest
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.environments import Stores
from ml_pipeline.text import quoted


def target_problems(
    target: str, environments: Environments, unknown: str, unwritable: str
) -> list[str]:
    """Return why nothing can be promoted in an environment, as a line if so.

    Args:
        target: its name.
        environments: those that are configured.
        unknown: what a message calls one that there is not.
        unwritable: what it calls one that this deployment may not write to.
    """
    if target not in environments:
        known = ", ".join(environments) or "none at all"
        hint = nearest(target, list(environments))
        return [f"{unknown} must be one of {known}, but got {quoted(target)}.{hint}"]
    in_table = target in environments.configured
    refusal = environments.refusal(target) if in_table else None
    return [f"{unwritable} {refusal}"] if refusal is not None else []


def store_of_target(target: str, environments: Environments, stores: Stores) -> ArtifactStore:
    """Return the store with the ledger of an environment: the only one where none has a table."""
    return stores(target if target in environments.configured else None)
