"""How MLflow loads a model that is an entry only: from the store, where its artifact is."""

from typing import Any

from ml_pipeline.errors import ArtifactMissing
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.tracking.mlflow.models import FLAVOR


class StoredModel:
    """A model of the store, as MLflow asks for it."""

    def __init__(self, value: Any) -> None:
        """Wrap what the store has."""
        self.value = value

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Predict, as the model itself does."""
        return self.value.predict(model_input, **(params or {}))


def _load_pyfunc(path: str) -> StoredModel:
    """Load what an entry leads to; MLflow looks for a function of this name."""
    from mlflow.models import Model

    reference = Model.load(path).flavors[FLAVOR]
    store = ArtifactStore(reference["root"], make=False)
    record = store.read_record(reference["directory"])
    if record is None:
        place = store.address(reference["directory"])
        raise ArtifactMissing(
            f"The model must be in the store that made it, but {place} is gone."
            " Run it again, with the parameters that MLflow shows."
        )
    return StoredModel(store.load_from(reference["directory"], record))
