"""Artifacts copied from one store to another, byte for byte, each with its record."""

from ml_pipeline.errors import ArtifactMissing
from ml_pipeline.store.artifacts import CARD, RECORD, ArtifactStore
from ml_pipeline.store.record import Record


def copy_artifact(source: ArtifactStore, target: ArtifactStore, directory: str) -> Record:
    """Copy an artifact, and return the record that the target has of it.

    The data comes first and the record last, so that nobody sees half of it, and the same call
    after a crash goes on. What the target has published already stays.

    Args:
        source: where it is.
        target: where it is to be as well.
        directory: its directory below either root.

    Raises:
        ArtifactMissing: if the source has no such artifact.
        ArtifactDamaged: if the source has other bytes than were published, or the target has others
            under their name.
        StoreUnreachable: if a store cannot be read or written.
    """
    if (standing := target.read_record(directory)) is not None:
        return standing
    path = f"{directory}/{RECORD}"
    record, text = source.read_record(directory), source.read(path)
    if record is None or text is None:
        raise ArtifactMissing(
            f"An artifact must be there to be copied, but {source.address(path)} is not."
        )
    target.take(source, directory, record.content)
    target.take_pictures(source, directory, record)
    if target.put_record(directory, text):
        if (card := source.read(f"{directory}/{CARD}")) is not None:
            target.put_if_absent(f"{directory}/{CARD}", card)
        return record
    return target.read_record(directory) or record
