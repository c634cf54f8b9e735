"""Boosters of LightGBM and XGBoost in the forms that these libraries write for any reader.

The estimators of both, such as `LGBMClassifier`, are kept as scikit-learn's are, alone or within a
pipeline, with the same forms inside.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.formats.format import Format, proving
from ml_pipeline.store.formats.tags import Reader, Writer, text_of

_MODEL: Final = "model.txt"
_ABOUT: Final = "about.json"
_HELD: Final = ("best_iteration", "best_score", "params")


class LightgbmFormat(Format):
    """Boosters of LightGBM: the text of the model, and beside it the best iteration."""

    name = "lightgbm"
    filename = "lightgbm"
    is_directory = True
    is_model = True
    types = ("lightgbm:Booster",)

    def write(self, value: Any, path: Path) -> None:
        """Write the text of all trees, and what `predict` asks the booster for besides.

        Raises:
            PipelineError: if a parameter would not come back as it is.
        """
        held = {name: _plain(getattr(value, name)) for name in _HELD}
        writer = Writer({})
        about = text_of(lambda: writer.written(held), writer.problems)
        (path / _ABOUT).write_text(about, encoding="utf-8")
        (path / _MODEL).write_text(_text(value), encoding="utf-8")

    def read(self, path: Path, lazy: bool) -> Any:
        """Read a booster.

        Raises:
            ArtifactDamaged: if LightGBM cannot read it.
        """
        from lightgbm import Booster
        from lightgbm.basic import LightGBMError

        try:
            value = Booster(model_str=(path / _MODEL).read_text(encoding="utf-8"))
        except LightGBMError as error:
            raise _unreadable("LightGBM", error) from error
        held = Reader({}).value(json.loads((path / _ABOUT).read_bytes()))
        for name in _HELD:
            setattr(value, name, held[name])
        return value

    def keep(self, value: Any, path: Path) -> None:
        """Write a booster and see that it reads as the same."""
        self.write(value, path)
        _prove_same(self, path, (path / _MODEL).read_text(encoding="utf-8"), _text)


class XgboostFormat(Format):
    """Boosters of XGBoost as UBJSON."""

    name = "xgboost"
    filename = "model.ubj"
    is_model = True
    types = ("xgboost:Booster",)

    def write(self, value: Any, path: Path) -> None:
        """Write the trees, the attributes and the names of features."""
        path.write_bytes(_ubj(value))

    def read(self, path: Path, lazy: bool) -> Any:
        """Read a booster.

        Raises:
            ArtifactDamaged: if XGBoost cannot read it.
        """
        from xgboost import Booster
        from xgboost.core import XGBoostError

        try:
            return Booster(model_file=bytearray(path.read_bytes()))
        except XGBoostError as error:
            raise _unreadable("XGBoost", error) from error

    def keep(self, value: Any, path: Path) -> None:
        """Write a booster and see that it reads as the same."""
        self.write(value, path)
        _prove_same(self, path, path.read_bytes(), _ubj)


def _prove_same(
    kept_as: Format, path: Path, written: str | bytes, form: Callable[[Any], str | bytes]
) -> None:
    with proving(kept_as.name):
        if form(kept_as.read(path, lazy=False)) != written:
            raise PipelineError(
                "A booster must be the same when it is read back, but is another. Give the pipeline"
                " a Format of your own: Pipeline(..., formats=[...])."
            )


def _text(booster: Any) -> str:
    return str(booster.model_to_string(num_iteration=-1))


def _ubj(booster: Any) -> bytes:
    return bytes(booster.save_raw("ubj"))


def _plain(held: Any) -> Any:
    """Return mappings of any class as plain ones."""
    return {key: _plain(one) for key, one in held.items()} if isinstance(held, dict) else held


def _unreadable(library: str, error: Exception) -> ArtifactDamaged:
    return ArtifactDamaged(
        f"A stored booster must be one that {library} can read, but: {error!s:.300}."
    )
