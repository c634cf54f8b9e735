"""What a reason says of code that has changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_pipeline.runs.changes import changes_of_code
from ml_pipeline_tests.toys.bench import Bench
from ml_pipeline_tests.toys.pipeline import toy

STAGES = """
import sys
from ml_pipeline import ParamModel, Pipeline
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store.artifacts import ArtifactStore
from shop import features
RATE = 1
pipeline = Pipeline("shop", ParamModel())
@pipeline.asset
def table():
    return {"n": features.clean(RATE)}
if sys.argv:
    (made,) = Materializer(pipeline, ArtifactStore(sys.argv[1])).run(pipeline.params.defaults, None)
    print(made.reason)
"""
FEATURES = "def clean(x):\n    return x + 1\n\nLIMIT = 1\n"


@pytest.fixture
def reason(tmp_path: Path, run_python: Callable[..., str]) -> Callable[..., str]:
    """Write the package `shop`, run its one stage and return the reason that it gives."""

    def run(stages: str = STAGES, **modules: str) -> str:
        folder = tmp_path / "shop"
        folder.mkdir(exist_ok=True)
        for name, text in {"features": FEATURES, **modules, "stages": stages}.items():
            (folder / f"{name}.py").write_text(text)
        code = "import sys; sys.path.insert(0, sys.argv[2]); import shop.stages"
        return run_python(code, str(tmp_path / "store"), str(tmp_path)).strip()

    return run


def test_reason_after_an_edit_names_the_function_and_its_module(
    reason: Callable[..., str],
) -> None:
    assert reason() == "table: computed: nothing is published yet"
    told = reason(features=FEATURES.replace("x + 1", "x + 2"))
    assert told.startswith("table: computed: code changed since revision ")
    assert told.endswith("('clean' in module shop.features)")


def test_reason_after_several_edits_names_all_of_them(reason: Callable[..., str]) -> None:
    reason()
    more = "def clean(x):\n    return more(x)\ndef more(x):\n    return x + 1\nLIMIT = 2\n"
    told = reason(STAGES.replace("RATE = 1", "RATE = 3"), features=more)
    assert told.endswith(
        "(statements of module shop.features, 'clean' in module shop.features, 'more' in module"
        " shop.features is new, 'RATE' in module shop.stages)"
    )


def test_reason_after_an_edit_of_what_does_not_count_says_reused(
    reason: Callable[..., str],
) -> None:
    reason()
    told = reason(STAGES.replace("def table():", 'def table():\n    "Say so."'))
    assert told.startswith("table: reused: ")


def test_reason_after_an_import_of_another_module_names_it(reason: Callable[..., str]) -> None:
    reason()
    told = reason(features="from shop.more import *\n" + FEATURES, more="K = 1\n")
    assert told.endswith("('import *' in module shop.features is new, module shop.more is new)")


def test_change_since_a_record_of_an_earlier_scheme_says_that_the_way_changed(
    bench: Bench,
) -> None:
    record = bench.run(["table"])["table"].record
    text = record.model_copy(update={"code": "0123456789abcdef"}).model_dump(mode="json")
    old = {name: value for name, value in text.items() if not name.startswith("code_")}
    earlier = type(record).model_validate(old)
    assert earlier.code_scheme == 1
    assert changes_of_code(earlier, toy().stage("table")) == [
        f"the way of fingerprinting code changed since revision {record.revision}"
    ]


def test_change_of_a_declared_version_says_that_code_changed(bench: Bench) -> None:
    bench.edit(table="1")
    record = bench.run(["table"])["table"].record
    since = f"since revision {record.revision}"
    assert changes_of_code(record, toy({"table": "1"}).stage("table")) == []
    assert changes_of_code(record, toy({"table": "2"}).stage("table")) == [f"code changed {since}"]
    assert changes_of_code(record, toy().stage("table")) == [f"code changed {since}"]
