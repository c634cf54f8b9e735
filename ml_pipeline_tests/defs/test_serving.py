"""Predictions and their realised quality, through Dagster, of a small shop."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from ml_pipeline import definitions
from ml_pipeline.dagster.location import location_of
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.schedules import scoring_schedules
from ml_pipeline.defs.serving import SERVING
from ml_pipeline.errors import ParamsError, SettingsError
from ml_pipeline.launch.request_document import Rules, read_request
from ml_pipeline.runs.catalog import Entry
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.promotion import Terms, promote
from ml_pipeline.runs.shares import share_of
from ml_pipeline.settings import settings
from ml_pipeline.store.environments import store_in
from ml_pipeline.store.record import Record
from ml_pipeline_tests.toys import small_shop
from ml_pipeline_tests.toys.bench import entry_of

TRAINED, SCORED = date(2009, 9, 20), date(2009, 9, 21)
HORIZON = 5
SETTINGS = """
environment = "prod"
writable = ["prod", "staging"]
start_date = "2009-09-01"
end_date = "2009-10-31"
[environments.prod]
store = "{folder}/prod"
sources = {{ shop = "{folder}/shop.parquet" }}
params = {{ serving = {{ champion = "present" }}, training = {{ max_depth = 2 }} }}
[environments.staging]
store = "{folder}/staging"
sources = {{ shop = "{folder}/elsewhere.parquet" }}
"""
SHARED: dict[str, Any] = {
    "data": {"dataset": "customers", "source": "shop"},
    "features": {"horizon_days": HORIZON, "lookback_days": 14},
}
LINEAR = {"estimator": "linear", "holdout_days": 28}


class Shop:
    """The shop's deployment."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder = folder
        self.instance = instance
        self.orders(small_shop.orders())

    @property
    def store(self) -> Any:
        return store_in("prod").with_formats(SERVING.formats)

    def orders(self, table: pl.DataFrame) -> None:
        table.write_parquet(self.folder / "shop.parquet")

    def promoted(
        self, terms: Terms | None = None, as_of: date = TRAINED, **params: dict[str, Any]
    ) -> str:
        """Train and promote a run; return its id."""
        asked = PIPELINE.params.validate(
            {**SHARED, "training": LINEAR, "run": {"environment": "prod"}} | params
        )
        *_, made = Materializer(PIPELINE, store_in("prod")).run(asked, as_of)
        promote(self.store, entry_of(made), "prod", terms)
        return made.record.run_id

    def scored(
        self, as_of: date = SCORED, assets: tuple[str, ...] = (), **config: dict[str, Any]
    ) -> dg.ExecuteInProcessResult:
        return (
            definitions.scoring()
            .resolve_job_def("run_serving")
            .execute_in_process(
                run_config={
                    "resources": {"serving_params": {"config": config}},
                },
                partition_key=str(as_of),
                asset_selection=[dg.AssetKey(name) for name in assets] or None,
                instance=self.instance,
                raise_on_error=False,
            )
        )

    def table(self, as_of: date = SCORED, **config: dict[str, Any]) -> pl.DataFrame:
        made = self.scored(as_of, ("predictions",), **config)
        assert made.success
        found: pl.DataFrame = self.store.load_from(*self.entry(made, "predictions"))
        return found

    def entry(self, made: dg.ExecuteInProcessResult, asset: str) -> tuple[str, Record]:
        place = str(told(made, asset)["path"]).removeprefix(f"{self.store.uri}/")
        directory = place.rpartition("/")[0]
        return directory, self.store.read_record(directory)


def told(made: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """Return the metadata of an asset's materialization."""
    (event,) = [
        one.materialization
        for one in made.get_asset_materialization_events()
        if one.asset_key == dg.AssetKey(asset)
    ]
    return {name: value.value for name, value in event.metadata.items()}


def failure(made: dg.ExecuteInProcessResult) -> str:
    (event,) = made.filter_events(lambda event: event.is_step_failure)
    return str(event.event_specific_data.user_failure_data.description)  # type: ignore[union-attr]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    for name in [name for name in os.environ if name.startswith("ML_PIPELINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path))
    (tmp_path / "settings.toml").write_text(SETTINGS.format(folder=tmp_path))
    settings.cache_clear()
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shop(tmp_path, instance)
    settings.cache_clear()


# Predictions


def test_customers_of_the_day_are_scored_by_the_champion_and_its_parameters(shop: Shop) -> None:
    with pytest.raises(ParamsError, match="must have been promoted to 'prod' to score with it"):
        shop.scored()
    assert shop.instance.get_runs_count() == 0
    run_id = shop.promoted()
    made = shop.scored()
    about = told(made, "predictions")
    assert about["champion"].startswith(f"{run_id}/")
    assert about["champion_as_of"] == str(TRAINED)
    assert (about["champion_dataset"], about["champion_model_version"]) == ("customers", "v1")
    found = shop.table()
    known = small_shop.orders().filter(pl.col("ordered_at") < datetime(2009, 9, 22))
    assert found["customer_id"].to_list() == sorted(set(known["customer_id"]))
    assert about["scored"] == found.height
    assert found.columns == [
        *("customer_id", "day", "until", "prediction"),
        *("run_id", "model_version", "scored_by", "trained_after"),
    ]
    assert set(found["until"]) == {SCORED + timedelta(days=HORIZON)}
    assert set(found.select("run_id", "scored_by", "trained_after").rows()) == {
        (run_id, "champion", False)
    }
    # Nothing of the day after counts, and nothing is computed twice.
    shop.orders(small_shop.orders().filter(pl.col("ordered_at") < datetime(2009, 9, 22)))
    assert told(shop.scored(assets=("predictions",)), "predictions")["reused"]


def test_share_of_the_customers_is_scored_by_the_challenger(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shop.promoted()
    second = shop.promoted(
        Terms(alias="challenger", flags={"share": 0.4}),
        training={**LINEAR, "regularization": 50.0, "model_version": "v2"},
    )
    both = shop.table()
    # Very many orders are not held in memory, which changes no score.
    monkeypatch.setattr("ml_pipeline.pipeline.order_parts.ROWS_IN_ONE", 100)
    monkeypatch.setattr("ml_pipeline.pipeline.spans.ROWS_AT_ONCE", 70)
    alone = shop.table(serving={"share": 0})
    other = shop.table(serving={"share": 1})
    assert (set(alone["run_id"]), set(other["run_id"])) == ({first}, {second})
    for row, ours, theirs in zip(both.rows(), alone.rows(), other.rows(), strict=True):
        assert row == (theirs if share_of(row[0], second) < 0.4 else ours)
    about = told(shop.scored(assets=("predictions",)), "predictions")
    assert about["challenged"] == both.filter(run_id=second).height > 0
    assert (about["challenger_share"], about["challenger_model_version"]) == (0.4, "v2")


def test_challenger_that_cannot_share_is_refused_with_what_differs(shop: Shop) -> None:
    shop.promoted()
    challenger = Terms(alias="challenger", flags={"share": 0.5})
    shop.promoted(challenger, features={"horizon_days": 6, "lookback_days": 14})
    assert "must know the same orders and predict the same" in failure(shop.scored())
    assert "horizon_days 5 and 6" in failure(shop.scored())
    revenue = {"data": {**SHARED["data"], "dataset": "orders"}}
    shop.promoted(**revenue)
    shop.promoted(challenger, training={**LINEAR, "regularization": 50.0}, **revenue)
    assert "A share needs customers to take a part of" in failure(shop.scored())
    found = shop.table(serving={"share": 0})
    assert (found.height, "customer_id" in found.columns) == (1, False)


def test_days_before_the_training_fail_alone_or_are_marked(shop: Shop) -> None:
    shop.promoted()
    days = [TRAINED + timedelta(days=back) for back in (-1, 0, 1)]
    job = definitions.scoring().resolve_job_def("run_serving")
    tags = {
        "dagster/asset_partition_range_start": str(days[0]),
        "dagster/asset_partition_range_end": str(days[-1]),
    }
    made = job.execute_in_process(
        tags=tags,
        asset_selection=[dg.AssetKey("predictions")],
        instance=shop.instance,
        raise_on_error=False,
    )
    assert "1 of 3 dates failed" in failure(made)
    done = made.get_asset_materialization_events()
    assert sorted(str(one.partition) for one in done) == [str(day) for day in days[1:]]
    late = shop.table(days[0], serving={"hindsight": True})
    assert late["trained_after"].all()


def test_source_by_name_is_that_of_the_environment_that_scores(shop: Shop) -> None:
    shop.promoted()
    source = store_in("prod")
    found = Entry(*shop.entry(shop.scored(assets=("predictions",)), "predictions"))
    assert found.record.provenance.environment == "prod"
    few = small_shop.orders().filter(pl.col("customer_id") < "c003")
    few.write_parquet(shop.folder / "elsewhere.parquet")
    (entry,) = [one for one in _promoted(source) if one.record.asset == "evaluation"]
    promote(source, entry, "staging", target=store_in("staging"))
    made = shop.scored(assets=("predictions",), run={"environment": "staging"})
    assert told(made, "predictions")["scored"] == few["customer_id"].n_unique()
    assert told(made, "predictions")["environment"] == "staging"


def _promoted(store: Any) -> Iterator[Entry]:
    for path in store.directories("evaluation"):
        yield Entry(path, store.read_record(path))


def test_parameters_that_stand_are_those_of_either_pipeline(shop: Shop) -> None:
    definitions.location()
    definitions.scoring()
    text = (shop.folder / "settings.toml").read_text()
    (shop.folder / "settings.toml").write_text(text.replace("champion =", "champian ="))
    settings.cache_clear()
    for load in (definitions.location, definitions.scoring):
        with pytest.raises(SettingsError, match=r"champian|serving"):
            load()


# Realised quality


def outcome(table: pl.DataFrame) -> tuple[list[int], list[float]]:
    """Count by hand who bought."""
    orders = small_shop.orders().with_columns(on=pl.col("ordered_at").dt.date())
    bought = set(
        orders.filter(pl.col("on") > table.item(0, "day"), pl.col("on") <= table.item(0, "until"))[
            "customer_id"
        ]
    )
    return [who in bought for who in table["customer_id"]], table["prediction"].to_list()


def test_quality_is_that_of_days_that_are_over_as_promised_or_worse(shop: Shop) -> None:
    run_id = shop.promoted()
    tables = [shop.table(SCORED + timedelta(days=after)) for after in range(3)]
    last = SCORED + timedelta(days=HORIZON + 1)
    early = shop.scored(SCORED + timedelta(days=HORIZON - 1), ("realised_quality",))
    assert told(early, "realised_quality")["days"] == 0
    (check,) = early.get_asset_check_evaluations()
    assert (check.passed, check.description) == (True, "not known yet: no prediction is over.")

    made = shop.scored(last, ("realised_quality",))
    found = told(made, "realised_quality")
    judged = [outcome(table) for table in tables[:2]]
    assert found["days"] == 2
    assert found["realised_auc"] == pytest.approx(sum(roc_auc_score(*one) for one in judged) / 2)
    assert found["realised_average_precision"] == pytest.approx(
        sum(average_precision_score(*one) for one in judged) / 2
    )
    promised = next(iter(_promoted(shop.store))).record.metrics
    assert found["promised_auc"] == promised["auc"]
    (check,) = made.get_asset_check_evaluations()
    assert check.description == f"champion {run_id}: not known yet, 2 of 7 days are over."
    # Orders that come later change nothing, and those of the days that count make it anew.
    shop.orders(small_shop.orders().filter(pl.col("ordered_at").dt.date() <= last))
    assert told(shop.scored(last, ("realised_quality",)), "realised_quality")["reused"]
    fewer = pl.col("ordered_at").dt.date() <= SCORED + timedelta(days=2)
    shop.orders(small_shop.orders().filter(fewer))
    assert not told(shop.scored(last, ("realised_quality",)), "realised_quality")["reused"]

    for percent, passed, words in ((90, True, "is within"), (0, None, "")):
        asked = {"limits": {"fewest_days": 2, "worse_percent": percent}}
        (check,) = shop.scored(last, ("realised_quality",), **asked).get_asset_check_evaluations()
        assert check.severity is dg.AssetCheckSeverity.WARN
        worse = found["realised_auc"] < found["promised_auc"]
        assert check.passed is (passed if passed is not None else not worse)
        assert words in str(check.description)


def test_challenger_that_became_champion_is_judged_as_either(shop: Shop) -> None:
    former = shop.promoted()
    better = {"estimator": "linear", "holdout_days": 21}
    winner = shop.promoted(Terms(alias="challenger", flags={"share": 0.5}), training=better)
    first = shop.table()
    assert shop.promoted(training=better) == winner
    second = shop.table(SCORED + timedelta(days=1))
    made = shop.scored(SCORED + timedelta(days=HORIZON + 1), ("realised_quality",))
    report = shop.store.load_from(*shop.entry(made, "realised_quality"))
    found = {(one["scored_by"], one["run_id"]): one for one in report["runs"]}
    expected = {
        ("champion", former): [first.filter(scored_by="champion")],
        ("challenger", winner): [one.filter(scored_by="challenger") for one in (first, second)],
        ("champion", winner): [second.filter(scored_by="champion")],
    }
    assert found.keys() == expected.keys()
    for who, tables in expected.items():
        aucs = [roc_auc_score(*outcome(table)) for table in tables]
        assert found[who]["realised"]["auc"] == pytest.approx(sum(aucs) / len(aucs))
        assert found[who]["days"] == len(tables)
    metrics = told(made, "realised_quality")
    assert metrics["realised_auc"] == found["champion", winner]["realised"]["auc"]
    assert metrics["days"] == 1


def test_quality_leaves_out_days_that_the_run_was_trained_on(shop: Shop) -> None:
    shop.promoted()
    days = [TRAINED - timedelta(days=1), TRAINED]
    for day in days:
        made = shop.scored(day, ("predictions",), serving={"hindsight": True})
        assert made.success
    last = TRAINED + timedelta(days=HORIZON)
    found = shop.scored(last, ("realised_quality",), serving={"hindsight": True})
    assert told(found, "realised_quality")["days"] == 1


def test_command_that_repeats_names_the_pipeline_that_scores(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.promoted()
    repeats = []
    for day, module in ((SCORED, None), (SCORED + timedelta(days=1), "shop.defs:orders")):
        if module is not None:
            monkeypatch.setenv("ML_PIPELINE_MODULE", module)
        repeats.append(told(shop.scored(day, ("predictions",)), "predictions")["repeat"])
    begun = [repeat.partition(" --param")[0] for repeat in repeats]
    assert begun == [
        f"ml-pipeline -m :serving run --as-of {SCORED}",
        f"ml-pipeline -m shop.defs:serving run --as-of {SCORED + timedelta(days=1)}",
    ]
    assert PIPELINE.typed("runs list") == f"ml-pipeline -m shop.defs:{PIPELINE.name} runs list"


def test_run_of_a_day_scores_and_judges(shop: Shop) -> None:
    shop.promoted()
    made = shop.scored(SCORED)
    assert {one.asset_key.to_user_string() for one in made.get_asset_materialization_events()} == {
        "predictions",
        "realised_quality",
    }
    record = shop.entry(made, "predictions")[1]
    assert record.params == {"serving": {"champion": "present", "share": None, "hindsight": False}}


# Other doors


def test_daily_scoring_is_off_and_asks_for_the_day_that_is_over(shop: Shop) -> None:
    location = definitions.scoring()
    (schedule,) = scoring_schedules(location)
    scheduled = dg.Definitions.merge(location, dg.Definitions(schedules=[schedule]))
    assert (schedule.name, schedule.default_status) == (
        "daily_scoring",
        dg.DefaultScheduleStatus.STOPPED,
    )

    def tick() -> tuple[list[str | None], str | None]:
        with dg.build_schedule_context(
            scheduled_execution_time=datetime(2026, 1, 5, 7, tzinfo=UTC),
            instance=shop.instance,
            repository_def=scheduled.get_repository_def(),
        ) as context:
            ticked = schedule.evaluate_tick(context)
        return [one.partition_key for one in ticked.run_requests or []], ticked.skip_message

    asked, skipped = tick()
    assert (asked, "must have been promoted to 'prod'" in str(skipped)) == ([], True)
    shop.promoted()
    assert tick() == (["2009-10-31"], None)
    shop.scored(date(2009, 10, 31))
    assert tick() == ([], "2009-10-31 to 2009-10-31 are published")


def test_request_file_asks_for_scores_and_is_validated(shop: Shop) -> None:
    made_of = location_of(definitions.scoring())
    rules = Rules(made_of.pipeline, made_of.calendar)
    asked = read_request({"as_of": "2009-09-21", "params": {"share": 0.2}}, "file", rules)
    assert asked.config["resources"]["serving_params"]["config"]["serving"]["share"] == 0.2
    assert asked.partition_key == "2009-09-21"
    with pytest.raises(ParamsError, match="share"):
        read_request({"as_of": "2009-09-21", "params": {"share": 2}}, "file", rules)
