"""Limits of environments: refused by every door that launches, inherited, shown, checked."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.dagster.code_location import code_location
from ml_pipeline.dagster.schedules import sweep_schedule
from ml_pipeline.errors import ParamsError, SettingsError
from ml_pipeline.launch.request_document import Rules, read_request
from ml_pipeline.launch.standing import check_standing
from ml_pipeline.settings import settings
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline_tests.toys import sweeps
from ml_pipeline_tests.toys.dagster_site import DAILY, DAY, temporary_instance

LIMITS = '{ fit = { learning_rate = "> 0 and <= 0.5" }, data = { rows = [40, 41] } }'
TABLES = """
environment = "dev"
writable = ["dev", "prod"]
[environments.dev]
[environments.strict]
store = "strict"
params = { fit = { learning_rate = 0.2 } }
limits = LIMITS
[environments.prod]
inherits = "strict"
store = "prod"
limits = { fit = { learning_rate = "<= 0.4" }, search = { workers = "<= 2", n_trials = "<= 5" } }
"""
RATE = "fit.learning_rate must be <= 0.4, the limit of environment prod, but got 0.5"
ROWS = "data.rows must be one of 40, 41, the limit of environment prod, but got 4"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with environments."""
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "ml"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ml").mkdir()
    write(tmp_path, LIMITS)
    yield tmp_path
    settings.cache_clear()


def write(folder: Path, limits: str) -> None:
    (folder / "ml" / "settings.toml").write_text(TABLES.replace("LIMITS", limits))
    settings.cache_clear()


def in_prod(**groups: Mapping[str, Any]) -> dict[str, Any]:
    return {**groups, "run": {"environment": "prod"}}


BEYOND = in_prod(fit={"learning_rate": 0.5}, data={"rows": 4})


def test_limits_are_inherited_line_by_line_and_bind_that_environment_alone(folder: Path) -> None:
    assert settings().environments["prod"].given_by["limits.data.rows"] == "strict"
    within = in_prod(fit={"learning_rate": 0.4}, data={"rows": 41})
    sweeps.PIPELINE.refuse_unready(sweeps.PIPELINE.params.validate(within))
    with pytest.raises(ParamsError) as caught:
        sweeps.PIPELINE.refuse_unready(sweeps.PIPELINE.params.validate(BEYOND))
    assert list(caught.value.problems) == [RATE, ROWS]
    free = {**BEYOND, "run": {"environment": "dev"}}
    sweeps.PIPELINE.refuse_unready(sweeps.PIPELINE.params.validate(free))


def test_run_beyond_a_limit_is_refused_by_dagster_and_by_requests_before_it_exists(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    job = code_location(
        sweeps.PIPELINE, DAILY, code=Path(__file__).parent
    ).resolve_implicit_global_asset_job_def()
    with temporary_instance(tmp_path_factory.mktemp("dagster") / "instance") as instance:
        for block in ("params", "sweep"):
            asked = {"resources": {block: {"config": BEYOND}}}
            with pytest.raises(ParamsError) as caught:
                job.execute_in_process(
                    run_config=asked,
                    instance=instance,
                    partition_key=DAY,
                    asset_selection=[dg.AssetKey("sweep" if block == "sweep" else "model")],
                )
            assert list(caught.value.problems) == [RATE, ROWS]
        assert instance.get_runs_count() == 0
    flat = {"environment": "prod", "learning_rate": 0.5, "rows": 4}
    single = {"as_of": DAY, "params": flat}
    for document in (single, {**single, "search": {}}):
        with pytest.raises(ParamsError) as caught:
            read_request(document, "a file", Rules(sweeps.PIPELINE))
        assert list(caught.value.problems) == [RATE, ROWS]


def test_schedule_in_an_environment_with_limits_is_refused_when_it_loads(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_ENVIRONMENT", "prod")
    settings.cache_clear()
    defs = code_location(sweeps.PIPELINE, DAILY, code=Path(__file__).parent)
    with pytest.raises(ParamsError, match=r"<= 0\.4, the limit of environment prod, but got 0.5"):
        sweep_schedule(defs, {"params": {"learning_rate": [0.2, 0.5]}})


def test_sweep_has_the_limits_that_nobody_says_and_proposes_nothing_beyond(folder: Path) -> None:
    model = sweeps.PIPELINE.params
    request = SweepRequest.parse(model, in_prod(fit={"learning_rate": "[0.1..0.4]"}))
    assert (request.options.workers, request.options.n_trials) == (2, 5)
    asked = {**in_prod(fit={"learning_rate": "[0.1..0.4]"}), "search": {"workers": 1}}
    assert SweepRequest.parse(model, asked).options.workers == 1
    with pytest.raises(ParamsError) as caught:
        SweepRequest.parse(model, {**asked, "search": {"workers": 3, "n_trials": 6}})
    assert [problem.partition(",")[0] for problem in caught.value.problems] == [
        "search.workers must be <= 2",
        "search.n_trials must be <= 5",
    ]
    with pytest.raises(ParamsError, match=r"<= 0\.4, the limit of environment prod, but got 0.9"):
        SweepRequest.parse(model, in_prod(fit={"learning_rate": "[0.1..0.9]"}))
    # Between its ends an interval has values that are none of a list's.
    between = SweepRequest.parse(model, in_prod(data={"rows": "[40..41]"}))
    with pytest.raises(ParamsError, match=r"rows must be one of 40, 41"):
        between.trial({"data.rows": 42}, 0)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ("{ fit = { learning_rate = 3 } }", "learning_rate: must be bounds such as '<= 200' or '>"),
        ('{ fit = { learning_rate = "at most 3" } }', "or a list of the values that it may have"),
        ("{ data = { rows = [] } }", "data.rows: must be bounds such as"),
        ('{ fit = { learning_rate = "<= 1 and <= 2" } }', "must have one bound on each side"),
        ('{ fit = { learning_rate = "> 2 and < 2" } }', "must leave a value, but got '> 2 and"),
        ('{ fit = { learning_rate = "<= 11" } }', "must be number > 0 and <= 10, but got 11"),
        ('{ data = { rows = [40, "x"] } }', "possible at all, but data.rows must be integer"),
        ('{ fit = { learning_rat = "<= 1" } }', "'fit.learning_rat' does not exist. Did you mean"),
        ('{ fti = { learning_rate = "<= 1" } }', "'fti' is no parameter group. Did you mean 'fit'"),
        ('{ run = { environment = ["prod"] } }', "must be left out: `writable` says where"),
        ('{ fit = { learning_rate = "<= 0.1" } }', "0.1, the limit of environment strict, but got"),
        ("{ search = { workers = [2] } }", "search.workers: must be bounds, of which the upper"),
    ],
)
def test_limit_that_would_have_no_effect_or_lets_nothing_through_is_refused(
    folder: Path, limits: str, problem: str
) -> None:
    write(folder, limits)
    with pytest.raises(SettingsError) as caught:
        check_standing(sweeps.PIPELINE.params)
    assert problem in str(caught.value)
