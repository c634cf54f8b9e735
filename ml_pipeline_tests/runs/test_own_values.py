"""Values of one's own in a pipeline: trusted classes, own formats, and what is planted or old."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.files import digest_of_file
from ml_pipeline.store.formats import Format
from ml_pipeline.store.housekeeping import verify
from ml_pipeline_tests.toys.bench import Bench
from ml_pipeline_tests.toys.pipeline import PARAMS, Data
from ml_pipeline_tests.toys.planted import call, ridge


class MyScaler(StandardScaler):
    pass


class Words:
    def __init__(self, text: str) -> None:
        self.text = text


class WordsFormat(Format):
    name = "words"
    filename = "words.txt"
    types = (Words,)

    def write(self, value: Words, path: Path) -> None:
        path.write_text(value.text, encoding="utf-8")

    def read(self, path: Path, lazy: bool) -> Words:
        return Words(path.read_bytes().decode())


def scaled(pipeline: Pipeline) -> Pipeline:
    @pipeline.asset(code_version="1")
    def model(data: Data) -> BaseEstimator:
        return make_pipeline(MyScaler(), Ridge()).fit([[0.0], [1.0]], [0.0, 2.0])

    @pipeline.asset(code_version="1")
    def score(model: BaseEstimator) -> dict[str, Any]:
        return {"predicted": float(model.predict([[3.0]])[0])}

    return pipeline


def test_own_class_is_refused_by_the_stage_that_returns_it_with_the_line_to_write(
    bench: Bench,
) -> None:
    bench.pipeline = scaled(Pipeline("own", PARAMS))
    with pytest.raises(PipelineError) as caught:
        bench.run(as_of=None)
    assert str(caught.value) == (
        "'model' is not published. A model must hold only types that are trusted by name, but"
        f" holds {__name__}.MyScaler. If they are your own, say Pipeline(...,"
        " trusted=[MyScaler]); else use another model, or give the pipeline a Format of your own:"
        " Pipeline(..., formats=[...])."
    )
    assert bench.files() == set()


def test_own_class_that_the_pipeline_trusts_is_published_and_read(bench: Bench) -> None:
    bench.pipeline = scaled(Pipeline("own", PARAMS, trusted=[MyScaler]))
    made = bench.run(as_of=None)
    assert bench.value(made["score"])["predicted"] > 0
    store = bench.store.with_formats(bench.pipeline.formats)
    assert [one.problem for one in verify(store, ["model", "score"])] == [None, None]


def test_artifact_of_a_class_that_is_trusted_no_longer_is_told_by_verify_and_made_again(
    bench: Bench,
) -> None:
    bench.pipeline = scaled(Pipeline("own", PARAMS, trusted=[MyScaler]))
    made = bench.run(as_of=None)
    problems = [one for one in verify(bench.store, ["model", "score"]) if one.problem]
    (problem,) = problems
    assert problem.path == made["model"].slot.revision(made["model"].record.revision)
    assert (
        f"{bench.data(made['model'])} cannot be read. A stored model must hold only types"
        in str(problem.problem)
    )
    bench.pipeline = scaled(Pipeline("own", PARAMS))
    bench.record(made["score"]).unlink()
    with pytest.raises(PipelineError, match="'model' is not published"):
        bench.run(as_of=None)


def test_planted_model_is_replaced_by_the_next_run_and_runs_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    made = bench.run()
    data, about = bench.data(made["model"]), made["model"].record
    data.write_bytes(ridge(alpha=call("os.system", "touch marker")))
    content = about.content.model_copy(
        update={"digest": digest_of_file(data), "bytes": data.stat().st_size}
    )
    planted = about.model_copy(update={"content": content})
    bench.record(made["model"]).write_bytes(planted.to_json())
    bench.record(made["score"]).unlink()
    with pytest.raises(ArtifactDamaged, match=r"os\.system|computing it again gave other bytes"):
        bench.run()
    again = bench.run()
    assert bench.values(again) == bench.values(made)
    assert not (tmp_path / "marker").exists()
    assert all(one.problem is None for one in verify(bench.store, ["model"]))


def words(pipeline: Pipeline) -> Pipeline:
    @pipeline.asset(code_version="1")
    def text(data: Data) -> Words:
        return Words("so")

    @pipeline.asset(code_version="1")
    def length(text: Words) -> dict[str, int]:
        return {"length": len(text.text)}

    return pipeline


def test_own_format_of_a_pipeline_keeps_and_reads_its_values(bench: Bench) -> None:
    bench.pipeline = words(Pipeline("words", PARAMS, formats=[WordsFormat()]))
    made = bench.run(as_of=None)
    assert made["text"].record.content.file == "words.txt"
    assert bench.value(made["length"]) == {"length": 2}
    assert bench.run(as_of=None)["text"].reused


def test_value_without_a_format_is_refused_when_its_stage_is_defined() -> None:
    with pytest.raises(PipelineError) as caught:
        words(Pipeline("words", PARAMS))
    said = str(caught.value)
    assert said.startswith("'text' must return a frame")
    assert f"but its annotation says {__name__}.Words. Return one of those, or give" in said


class Unreadable(WordsFormat):
    def read(self, path: Path, lazy: bool) -> Words:
        raise ValueError("no")


def test_value_that_its_format_cannot_read_back_is_not_published(bench: Bench) -> None:
    bench.pipeline = words(Pipeline("words", PARAMS, formats=[Unreadable()]))
    with pytest.raises(PipelineError, match=r"'text' is not published\. The format 'words' must"):
        bench.run(as_of=None)
    assert bench.files() == set()


def test_pipeline_with_formats_that_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(PipelineError, match="must have a name of its own"):
        Pipeline("words", PARAMS, formats=[WordsFormat(), WordsFormat()])


LAB = """
from sklearn.base import BaseEstimator
from ml_pipeline import Format, Pipeline
from ml_pipeline_tests.toys.pipeline import PARAMS, Data
from kinds import MyModel, MyText, TextFormat, shift

lab = Pipeline("lab", PARAMS, formats=[TextFormat()], trusted=[MyModel, shift])

@lab.asset
def model(data: Data) -> BaseEstimator:
    return MyModel()

@lab.asset
def text(data: Data) -> MyText:
    return MyText("so")

@lab.asset
def score(model: BaseEstimator, text: MyText) -> dict:
    return {"predicted": model.predict(None), "words": text.text}
"""
KINDS = """
from sklearn.base import BaseEstimator
from ml_pipeline import Format

def shift():
    return SHIFT

class MyModel(BaseEstimator):
    def predict(self, x):
        return shift() + ADDED

class MyText:
    def __init__(self, text):
        self.text = text

class TextFormat(Format):
    name, filename, types = "text", "text.txt", (MyText,)
    def write(self, value, path):
        path.write_text(value.text)
    def read(self, source, lazy):
        return MyText(SAID + source.read_text())
"""
RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
from lab import lab
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store.artifacts import ArtifactStore
materializer = Materializer(lab, ArtifactStore(sys.argv[1] + "/store"))
made = {one.record.asset: one for one in materializer.run(lab.params.defaults, None)}
value = materializer.store.load(made["score"].slot, made["score"].record)
print(json.dumps([value, made["score"].reused, made["score"].reason]))
"""


@pytest.mark.long
def test_score_of_a_model_whose_class_or_format_was_edited_is_computed_again(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    def go(shift: int, added: int, said: str) -> Any:
        kinds = KINDS.replace("SHIFT", str(shift)).replace("ADDED", str(added))
        (tmp_path / "kinds.py").write_text(kinds.replace("SAID", repr(said)))
        return json.loads(run_python(RUN, str(tmp_path)))

    (tmp_path / "lab.py").write_text(LAB)
    assert go(1, 1, "")[0] == {"predicted": 2, "words": "so"}
    assert go(1, 1, "")[1] is True
    for edited, right in (
        ((1, 5, ""), {"predicted": 6, "words": "so"}),
        ((3, 5, ""), {"predicted": 8, "words": "so"}),
        ((3, 5, "and "), {"predicted": 8, "words": "and so"}),
    ):
        value, reused, reason = go(*edited)
        assert (value, reused) == (right, False)
        assert "kinds" in reason
