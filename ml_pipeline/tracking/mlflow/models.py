"""Models in MLflow: an entry with the signature, which leads to the artifact and holds no copy."""

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import MlPipelineError
from ml_pipeline.runs.provenance import PYTHON
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.tracking.mlflow.limits import mapped
from ml_pipeline.tracking.mlflow.notes import PREFIX, ModelNote, RunNote

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

FLAVOR: Final = "ml_pipeline"
"""What says in an entry where the artifact is."""

_LOADER: Final = "ml_pipeline.tracking.mlflow.loader"
_ODD: Final = {"/": "_x2f_", ".": "_x2e_"}


class ModelEntries:
    """The entries of models on one server."""

    def __init__(self, client: "MlflowClient") -> None:
        """Use a client."""
        self.client = client

    def keep(
        self, experiment: str, run_id: str, note: RunNote, linked: Collection[str] | None
    ) -> None:
        """Have an entry for each model of a run, ready to be loaded.

        Args:
            experiment: id of the run's experiment.
            run_id: the run.
            note: says which models there are.
            linked: ids of the entries that the run leads to; None where it is new, so that there
                are none at all.
        """
        from mlflow.entities import LoggedModelOutput

        there = {} if linked is None else self._found(experiment, run_id)
        for model in note.models:
            name = _entry_name(model.asset)
            entry = there.get(name)
            if entry is None:
                tags = {f"{PREFIX}digest": model.digest, f"{PREFIX}artifact": _address(model)}
                entry = self.client.create_logged_model(
                    experiment, name, run_id, tags, model_type=model.format
                )
            if str(entry.status) != "READY":
                self._fill(entry.model_id, model)
                self.client.finalize_logged_model(entry.model_id, "READY")
            if entry.model_id not in (linked or ()):
                self.client.log_outputs(run_id, [LoggedModelOutput(entry.model_id, 0)])

    def entries(self, experiment: str, run_id: str, note: RunNote) -> dict[str, str]:
        """Return the ids of the entries of a run by asset."""
        there = self._found(experiment, run_id)
        named = {model.asset: there.get(_entry_name(model.asset)) for model in note.models}
        return {asset: entry.model_id for asset, entry in named.items() if entry is not None}

    def _found(self, experiment: str, run_id: str) -> dict[str, Any]:
        wanted = f"source_run_id = '{run_id}'"
        found = self.client.search_logged_models([experiment], wanted)
        return {entry.name: entry for entry in found}

    def _fill(self, model_id: str, model: ModelNote) -> None:
        from mlflow.models import Model

        described = Model(
            model_id=model_id,
            signature=signature_of(model),
            flavors={
                "python_function": {"loader_module": _LOADER, "python_version": PYTHON},
                FLAVOR: {
                    "format": model.format,
                    "digest": model.digest,
                    "root": model.root,
                    "directory": model.directory,
                },
            },
        )
        with tempfile.TemporaryDirectory() as folder:
            described.save(str(Path(folder) / "MLmodel"))
            self.client.log_model_artifacts(model_id, folder)


def signature_of(model: ModelNote) -> "ModelSignature | None":
    """Return what a model takes and gives, as far as it tells; None where it does not."""
    try:
        store = ArtifactStore(model.root, make=False)
        record = store.read_record(model.directory)
        value = store.load_from(model.directory, record) if record is not None else None
    except MlPipelineError:
        # A class of the pipeline's own, or the artifact is gone: nobody can tell.
        return None
    return _signature(value, _columns(model.inputs))


def _entry_name(asset: str) -> str:
    name = mapped(asset)
    for odd, written in _ODD.items():
        name = name.replace(odd, written)
    return name


def _address(model: ModelNote) -> str:
    return f"{model.root}/{model.directory}"


def _columns(tables: list[str]) -> Mapping[str, Any]:
    """Return the types of the columns of tables on this machine."""
    import polars as pl

    found: dict[str, Any] = {}
    for table in tables:
        if Path(table).is_file():
            found |= pl.read_parquet_schema(table)
    return found


def _signature(value: Any, columns: Mapping[str, Any]) -> "ModelSignature | None":
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    names, width = _features(value)
    if names:
        takes = Schema([ColSpec(_kind(columns.get(name)), name) for name in names])
    elif width:
        takes = Schema([TensorSpec(np.dtype("float64"), (-1, width))])
    else:
        return None
    classes = getattr(value, "classes_", None)
    kind = np.asarray(classes).dtype if classes is not None else np.dtype("float64")
    kind = np.dtype("str") if kind.kind in "OUS" else kind
    return ModelSignature(inputs=takes, outputs=Schema([TensorSpec(kind, (-1,))]))


def _features(value: Any) -> tuple[list[str], int]:
    """Return the names of a model's features, or else how many there are."""
    names = getattr(value, "feature_names_in_", None)
    if names is None:
        names = getattr(value, "feature_names", None)
    if names is None and callable(named := getattr(value, "feature_name", None)):
        names = named()
    if names is not None and len(names):
        return [str(name) for name in names], len(names)
    return [], int(getattr(value, "n_features_in_", 0) or 0)


def _kind(dtype: Any) -> Any:
    """Return MLflow's type of a column; numbers are what models take, where nothing is known."""
    from mlflow.types import DataType

    if dtype is None or dtype.is_float():
        return DataType.double
    if dtype.is_integer():
        return DataType.long
    if str(dtype) == "Boolean":
        return DataType.boolean
    return DataType.string if str(dtype) in ("String", "Categorical") else DataType.double
