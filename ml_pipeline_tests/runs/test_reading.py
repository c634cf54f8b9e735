"""What an artifact is for those that read it: an edited class makes another of the same bytes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.reading import Reading
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.formats import BytesFormat, Formats
from ml_pipeline_tests.toys.bench import Bench

STAGES = """
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline as Steps
from sklearn.preprocessing import FunctionTransformer
from ml_pipeline import ParamModel, Pipeline
from shop.own import {imported}
X, Y = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 4.0])
pipeline = Pipeline("shop", ParamModel(), {options})
@pipeline.asset(code_version="1")
def model(){returned}:
    return {model}
@pipeline.asset
def score(model):
    return {{"n": {score}}}
"""
RUN = """
import sys
sys.path.insert(0, sys.argv[2])
from shop.stages import pipeline
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store.artifacts import ArtifactStore
for made in Materializer(pipeline, ArtifactStore(sys.argv[1])).run(pipeline.params.defaults, None):
    print(made.reason)
    print(made.record.content.digest)
"""
ESTIMATOR = """
from sklearn.linear_model import Ridge
from shop.shifts import shift
class Own(Ridge):
    def predict(self, X):
        return shift(super().predict(X)) + 1
"""
TRANSFORMER = """
from sklearn.base import BaseEstimator, TransformerMixin
from shop.shifts import shift
class Own(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = 1
        return self
    def transform(self, X):
        return shift(X) ** 2 + 1
"""
FUNCTION = """
from shop.shifts import shift
def own(X):
    return shift(X) ** 2 + 1
"""
FORMAT = """
import dataclasses
from ml_pipeline import Format
from shop.shifts import shift
@dataclasses.dataclass
class Own:
    n: float
    def predict(self, X):
        return [shift(self.n) + 1]
class Kept(Format):
    name, filename, types = "own", "own.txt", (Own,)
    def write(self, value, path):
        path.write_text(str(value.n))
    def read(self, path, lazy):
        return Own(float(path.read_bytes()))
"""
SHIFTS = "def shift(x):\n    return x + 10\n"
PREDICTED = "float(model.predict(X)[0])"
DATA = """
import dataclasses
from shop.shifts import shift
@dataclasses.dataclass
class Own:
    n: float
    def predict(self, X):
        return [shift(self.n) + 1]
"""
MODEL = """
import numpy, pydantic
from shop.shifts import shift
class Own(pydantic.BaseModel):
    n: float
    def predict(self, X):
        return [shift(self.n) + 1]
"""
KINDS = {
    "estimator": (
        ESTIMATOR,
        {"imported": "Own", "options": "trusted=[Own]", "model": "Own().fit(X, Y)"},
    ),
    "transformer within steps": (
        TRANSFORMER,
        {
            "imported": "Own",
            "options": "trusted=[Own]",
            "model": "Steps([('a', Own()), ('b', Ridge())]).fit(X, Y)",
        },
    ),
    "function held by a model": (
        FUNCTION,
        {
            "imported": "own",
            "options": "trusted=[own]",
            "model": "Steps([('a', FunctionTransformer(own)), ('b', Ridge())]).fit(X, Y)",
        },
    ),
    "data class": (
        DATA,
        {"imported": "Own", "options": "trusted=[Own]", "model": "Own(1.0)"},
    ),
    "pydantic model among parts, by the annotation": (
        MODEL,
        {
            "imported": "Own",
            "options": "",
            "model": "(X, Own(n=1.0))",
            "returned": " -> tuple[np.ndarray, Own]",
            "predicted": "float(model[1].predict(X)[0])",
        },
    ),
    "data class through a format of one's own": (
        FORMAT,
        {"imported": "Kept, Own", "options": "formats=[Kept()]", "model": "Own(1.0)"},
    ),
}


@pytest.fixture
def run(tmp_path: Path, run_python: Callable[..., str]) -> Callable[..., list[str]]:
    """Write the package `shop`, run it; return reason and digest of both stages."""

    def run(own: str, options: dict[str, str], shifts: str = SHIFTS) -> list[str]:
        folder = tmp_path / "shop"
        folder.mkdir(exist_ok=True)
        told = {"returned": "", "predicted": PREDICTED, **options}
        text = STAGES.format(score=told["predicted"], **told)
        for name, content in {"own": own, "stages": text, "shifts": shifts}.items():
            (folder / f"{name}.py").write_text(content)
        printed = run_python(RUN, str(tmp_path / "store"), str(tmp_path))
        return printed.strip().splitlines()

    return run


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_edit_of_what_a_value_is_made_of_computes_what_reads_it(
    run: Callable[..., list[str]], kind: str
) -> None:
    own, options = KINDS[kind]
    before = run(own, options)
    again = run('"""Own."""\n' + own, options)
    assert all(": reused: " in reason for reason in again[::2])
    name = options["imported"].partition(",")[0]
    for after in (
        run(own.replace("+ 1", "+ 6"), options),
        run(own, options, SHIFTS.replace("x + 10", "x * 20")),
    ):
        # The version of the model is declared, so that its bytes stay.
        assert ": reused: " in after[0]
        assert after[1] == before[1]
        assert after[2].startswith("score: computed: ")
        assert f"the code of shop.own.{name}, which input model is made of, changed" in after[2]
        assert after[3] != before[3]


class Shifted(BytesFormat):
    """Bytes, of which each is shifted when it is read."""

    name = "shifted"

    def __init__(self, by: object) -> None:
        self.by = by


def test_attribute_of_a_format_counts_and_what_cannot_be_told_is_refused(bench: Bench) -> None:
    record = bench.run(["table"])["table"].record
    kept = record.content.model_copy(update={"format": "shifted"})
    record = record.model_copy(update={"content": kept})

    def digest(by: object) -> str:
        pipeline = Pipeline("p", ParamModel(), formats=[Shifted(by)])
        return pipeline.reading.digest(record)

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)
    with pytest.raises(PipelineError, match="an attribute is an object of type object"):
        digest(object())


def test_artifact_of_the_built_in_formats_is_its_bytes(bench: Bench) -> None:
    for outcome in bench.run().values():
        record = outcome.record
        assert Reading(Formats(), ()).code(record) == {}
        assert bench.pipeline.reading.digest(record) == record.content.digest
        assert all(one.code == {} for one in record.inputs.values())
