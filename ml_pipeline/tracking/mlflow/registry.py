"""The registry of models: a version for each model that was promoted, and who has it as an alias.

The alias is what an environment has, ``prod-champion``; registered models are named for pipeline
and asset, ``forecast.model``.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ml_pipeline.tracking.mlflow.limits import mapped
from ml_pipeline.tracking.mlflow.notes import PREFIX, PromotionNote

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_KEY: Final = f"{PREFIX}key"


def move_alias(
    client: "MlflowClient", note: PromotionNote, run_id: str, entries: Mapping[str, str]
) -> None:
    """Let an alias be where a promotion has put it, unless a later one has moved it on.

    Args:
        client: of the server.
        note: the promotion.
        run_id: the run that was promoted.
        entries: ids of its models by asset.
    """
    entry_tag = f"{note.alias}.entry"
    names = {asset: mapped(f"{note.registered}.{asset}").replace("/", "_x2f_") for asset in entries}
    for asset, name in names.items():
        tags = _registered(client, name)
        version = _version(client, note, name, run_id, entries[asset])
        if int(tags.get(entry_tag, 0)) <= note.number:
            client.set_registered_model_alias(name, note.alias, version.version)
            client.set_registered_model_tag(name, entry_tag, str(note.number))
    # What was promoted before may have been the run of another asset.
    for other in client.search_registered_models(f"name LIKE '{note.registered}.%'"):
        is_older = int(other.tags.get(entry_tag, 0)) < note.number
        if note.alias in other.aliases and other.name not in names.values() and is_older:
            client.delete_registered_model_alias(other.name, note.alias)


def _registered(client: "MlflowClient", name: str) -> dict[str, str]:
    """Have a registered model, and return its tags."""
    from mlflow.exceptions import MlflowException

    try:
        return dict(client.create_registered_model(name).tags)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return dict(client.get_registered_model(name).tags)


def _version(
    client: "MlflowClient", note: PromotionNote, name: str, run_id: str, model_id: str
) -> "ModelVersion":
    """Have a version for a model, with what was said of its last promotion, and return it."""
    key = mapped(note.run.key)
    found = client.search_model_versions(f"name = '{name}' and tags.`{_KEY}` = '{key}'")
    if not found:
        tags = {**note.run.tags, **note.tags, _KEY: key}
        tags = {mapped(tag): text for tag, text in tags.items() if tag.startswith(PREFIX)}
        source = f"models:/{model_id}"
        return client.create_model_version(
            name, source, run_id, tags, await_creation_for=0, model_id=model_id
        )
    for tag, text in note.tags.items():
        if found[0].tags.get(mapped(tag)) != text:
            client.set_model_version_tag(name, found[0].version, mapped(tag), text)
    return found[0]
