"""Run config that somebody wrote by hand, or did not even mean: refused in words, or done as asked.

Each config goes the way that Dagster's code server takes it: the execution plan is made, which
checks it, and only then is it run. What a run got is read from the artifact that it made.
"""

import json
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import Field

from ml_pipeline.dagster.code_location import code_location
from ml_pipeline.errors import ParamsError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline_tests.toys.dagster_site import QUIET, temporary_instance

pytestmark = pytest.mark.long


class What(ParamGroup):
    """What to echo."""

    word: str = Field("a", description="a text", min_length=1)
    kind: Literal["plain", "fancy"] = Field("plain", description="one of two")
    note: str | None = Field(None, description="a text or none")


class How(ParamGroup):
    """How to echo it."""

    rate: float = Field(0.1, description="a number", gt=0, le=10)
    count: int = Field(3, description="a whole number", ge=1, le=100)
    loud: bool = Field(False, description="yes or no")


MODEL = ParamModel(what=What, how=How)
pipeline = Pipeline("echo", MODEL)


@pipeline.asset
def echo(as_of: date, what: What, how: How) -> dict[str, Any]:
    return {"what": what.model_dump(), "how": how.model_dump()}


DEFAULTS = MODEL.defaults.values()
FIELDS = [(p.group, p.name) for p in MODEL.parameters() if p.group in ("what", "how")]
NAMES = [name for _, name in FIELDS]
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 200)
    | st.floats(width=32)
    | st.sampled_from(["plain", "fancy", "0.5", "1e-3", "", "true", "nan"])
    | st.text(max_size=5)
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
_GROUPS = st.dictionaries(st.sampled_from([*NAMES, "rat", "Word", ""]), _VALUES, max_size=4)
_PARAMS = st.dictionaries(st.sampled_from(["what", "how", "hwo"]), _GROUPS | _VALUES, max_size=2)
_VALID = st.fixed_dictionaries(
    {},
    optional={
        "what": st.fixed_dictionaries(
            {},
            optional={
                "word": st.text(min_size=1, max_size=5),
                "kind": st.sampled_from(["plain", "fancy"]),
                "note": st.none() | st.text(max_size=3),
            },
        ),
        "how": st.fixed_dictionaries(
            {},
            optional={
                "rate": st.floats(0.001, 10),
                "count": st.integers(1, 100),
                "loud": st.booleans(),
            },
        ),
    },
)
_OF_PARAMS = (_VALID | _PARAMS).map(lambda params: {"resources": {"params": {"config": params}}})
_SECTION = st.dictionaries(
    st.sampled_from(["params", "parms", "io_manager", "echo", "config"]), _VALUES, max_size=2
)
_OF_ANYTHING = st.dictionaries(
    st.sampled_from(["resources", "resorces", "ops", "execution", "loggers"]),
    _SECTION | _VALUES,
    max_size=2,
)


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("fuzz")
    instance = temporary_instance(folder / "instance")
    location = code_location(
        pipeline, dg.DailyPartitionsDefinition("2026-01-01"), lambda: str(folder / "store"), folder
    )
    job = location.resolve_implicit_global_asset_job_def()

    def launched(config: Mapping[str, Any]) -> Any:
        result = job.execute_in_process(
            instance=instance, partition_key="2026-01-05", run_config={"loggers": QUIET, **config}
        )
        (made,) = result.get_asset_materialization_events()
        return json.loads(Path(str(made.materialization.metadata["path"].value)).read_text())

    return launched


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(config=_OF_PARAMS | _OF_ANYTHING)
@example(config={"resources": {"params": None}})
@example(config={"resources": None, "ops": None})
@example(config={"resources": {"params": {"config": None}}})
@example(config={"resources": {"params": {"config": {"how": None}}}})
@example(config={"resources": {"parms": {"config": {"how": {"rate": 0.5}}}}})
@example(config={"resources": {"params": {"config": {"how": {"rate": "1e-3", "count": 3.0}}}}})
@example(config={"resources": {"params": {"config": {"how": {"count": True, "loud": 1}}}}})
def test_config_of_any_kind_is_refused_in_words_or_done_as_asked(
    launch: Any, config: Mapping[str, Any]
) -> None:
    try:
        got = launch(config)
    except (ParamsError, dg.DagsterInvalidConfigError):
        return
    asked = ((config.get("resources") or {}).get("params") or {}).get("config") or {}
    assert "parms" not in (config.get("resources") or {})
    for group, values in asked.items():
        for name, value in (values or {}).items():
            assert _says(got[group][name], value), f"{group}.{name}: asked {value!r}"
    typed = {(group, name) for group, values in asked.items() for name in values or {}}
    for group, name in FIELDS:
        if (group, name) not in typed:
            assert got[group][name] == DEFAULTS[group][name]


def _says(got: Any, asked: Any) -> bool:
    """Whether a value is the one asked for, as far as its type lets it be written otherwise."""
    if isinstance(asked, str):
        text = asked.strip()
        if got is None:
            return text.lower() in ("", "~", "none", "null")
        if isinstance(got, bool):
            return got is (text.lower() in ("true", "t", "yes", "y", "on", "1", "1.0"))
        return got == (text if isinstance(got, str) else float(text))
    if isinstance(got, bool) or isinstance(asked, bool):
        return bool(got) == asked
    return got == asked or (isinstance(got, float) and math.isclose(got, asked))
