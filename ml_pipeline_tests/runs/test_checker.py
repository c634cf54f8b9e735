from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import ml_pipeline as mp
from ml_pipeline.dagster.partitions import calendar_of
from ml_pipeline.environments import Environment, Environments
from ml_pipeline.errors import CheckFailed
from ml_pipeline.launch.promotion_request import PromotionRequest
from ml_pipeline.params.as_of import as_of_from_key
from ml_pipeline.runs.catalog import Entry
from ml_pipeline.runs.check_result import CheckReport
from ml_pipeline.runs.keys import KnownKeys
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.reproduce import reproduce
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.sweeps.workers import meanings
from ml_pipeline_tests.toys import checked

PARAMS = checked.PIPELINE.params
DAY = date(2026, 1, 5)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    monkeypatch.setenv("TOY_HOME", str(tmp_path))
    return ArtifactStore(str(tmp_path / "store"))


def made(
    store: ArtifactStore,
    day: date = DAY,
    selection: list[str] | None = None,
    asked: Any = "all",
    **values: Any,
) -> dict[str, CheckReport]:
    maker = Materializer(checked.PIPELINE, store, asked=asked)
    outcomes = list(maker.run(PARAMS.parse(values), day, selection))
    return {one.check: one for outcome in outcomes for one in outcome.checks}


def told(reports: Mapping[str, CheckReport]) -> dict[str, tuple[bool, str]]:
    return {name: (one.passed, one.finding.description) for name, one in reports.items()}


FINE = {
    "enough": (True, "there must be 2 rows, but there are 5"),
    "values": (True, "as it must be"),
    "grows": (True, "10.0 of 2026-01-05 after {}"),
}


def test_checks_of_what_is_reused_are_reported_without_being_asked_again(
    store: ArtifactStore,
) -> None:
    first = made(store)
    assert told(first) == FINE
    assert checked.asked() == ["enough", "values", "grows"]
    assert first["enough"].finding.metadata == {
        "rows": 5,
        "few": [{"x": x, "odd": x % 2 == 1} for x in range(5)],
    }
    assert first["enough"].finding.thresholds == {
        "limits.least": 2,
        "limits.most": 1000,
        "limits.days": 3,
    }
    again = made(store)
    assert told(again) == FINE
    assert checked.asked() == []
    assert [one.is_new for one in (*first.values(), *again.values())] == [True] * 3 + [False] * 3
    made(store, force=True)
    assert checked.asked() == ["enough", "values", "grows"]


def test_thresholds_judge_anew_and_never_make_another_run(store: ArtifactStore) -> None:
    made(store)
    checked.asked()
    found = made(store, most=3)
    assert found["values"].passed is False
    assert found["values"].finding.severity == "warn"
    assert found["values"].finding.description == (
        "the table must be as its schema says, but 'x' breaks less_than_or_equal_to(3) in 1 row,"
        " first in row 4, which has 4"
    )
    assert found["values"].finding.metadata["first_bad_rows"] == [
        {"column": "x", "rule": "less_than_or_equal_to(3)", "row": 4, "found": "4"}
    ]
    assert len(list(Path(store.uri).rglob("record.json"))) == 2
    assert "limits" not in PARAMS.scope
    assert PARAMS.parse({"most": 3}).values() == PARAMS.defaults.values()


def test_earlier_metrics_that_change_are_looked_at_again_though_bytes_stay(tmp_path: Path) -> None:
    last = date(2026, 1, 6)
    quality = {DAY: 0.5, last: 0.75}
    pipeline = mp.Pipeline("p", mp.ParamModel())

    @pipeline.asset(reads=lambda as_of: str(quality[as_of]))
    def model(as_of: date) -> mp.Result:
        return mp.Result({"weights": [1]}, metrics={"auc": quality[as_of]})

    @pipeline.asset_check(model, severity="warn")
    def as_before(model: dict[str, Any], earlier: mp.Earlier) -> mp.CheckResult:
        return mp.CheckResult(True, str([found["auc"] for found in earlier.metrics(3).values()]))

    def said(day: date) -> str:
        (made,) = Materializer(pipeline, ArtifactStore(str(tmp_path))).run(
            pipeline.params.defaults, day
        )
        return made.checks[0].finding.description

    assert [said(DAY), said(last)] == ["[]", "[0.5]"]
    quality[DAY] = 0.25
    said(DAY)
    assert said(last) == "[0.25]"


def test_artifact_is_judged_beside_what_it_was_made_from(tmp_path: Path) -> None:
    rows = [5]
    pipeline = mp.Pipeline("p", mp.ParamModel())

    @pipeline.asset(reads=lambda: str(rows[0]))
    def sales(as_of: date) -> dict[str, int]:
        return {"rows": rows[0]}

    @pipeline.asset
    def features(sales: dict[str, int]) -> dict[str, int]:
        return dict(sales)

    @pipeline.asset
    def model(features: dict[str, int]) -> dict[str, int]:
        return dict(features)

    @pipeline.asset_check(features, blocking=True)
    def of_all(features: dict[str, int], sales: dict[str, int]) -> mp.CheckResult:
        return mp.CheckResult(features == sales, f"{features} of {sales}")

    @pipeline.asset_check(model)
    def of_those(model: dict[str, int], sales: dict[str, int]) -> bool:
        return model == sales

    def run(*selection: str) -> list[bool]:
        maker = Materializer(pipeline, ArtifactStore(str(tmp_path)))
        made = maker.run(pipeline.params.defaults, DAY, selection)
        return [check.passed for one in made for check in one.checks]

    assert run("sales", "features") == [True]
    rows[0] = 7
    run("sales")
    # Made of the older features, since nobody asked for newer ones: these are of the older sales.
    assert run("model") == [True]


A_DAY = dg.DailyPartitionsDefinition("2026-01-01")
A_WEEK = dg.WeeklyPartitionsDefinition("2026-01-04")
A_PLACE = dg.StaticPartitionsDefinition(["b", "a"])


@pytest.mark.parametrize(
    ("partitions", "others", "judged", "before"),
    [
        (
            dg.WeeklyPartitionsDefinition("2026-01-04"),
            "2026-01-11 2026-01-04",
            "2026-01-18",
            [1, 0],
        ),
        (
            dg.DailyPartitionsDefinition("01.12.2025", fmt="%d.%m.%Y"),
            "31.01.2026 02.02.2026 30.12.2025",
            "01.02.2026",
            [2, 0],
        ),
        (
            dg.HourlyPartitionsDefinition("2025-12-01-00:00", timezone="Europe/Berlin"),
            "2026-01-01-09:00 2026-01-01-11:00",
            "2026-01-01-10:00",
            [0],
        ),
        (A_PLACE, "b", "a", []),
        (
            dg.MultiPartitionsDefinition({"day": A_DAY, "place": A_PLACE}),
            "2026-01-01|a 2026-01-02|a 2026-01-01|b 2026-01-03|b",
            "2026-01-02|b",
            [2],
        ),
    ],
)
def test_earlier_is_what_differs_in_nothing_but_an_earlier_time(
    tmp_path: Path, partitions: Any, others: str, judged: str, before: list[int]
) -> None:
    plain = mp.Pipeline("p", mp.ParamModel())

    @plain.asset
    def total(as_of: str) -> dict[str, str]:
        return {"of": as_of}

    @plain.asset_check(total, blocking=True)
    def compared(total: dict[str, str], earlier: mp.Earlier) -> mp.CheckResult:
        return mp.CheckResult(True, f"after {[one['of'] for one in earlier.values(9).values()]}")

    store = ArtifactStore(str(tmp_path))

    def said(pipeline: mp.Pipeline, key: str) -> str:
        params = pipeline.params.parse({"force": True})
        (made,) = Materializer(pipeline, store).run(params, as_of_from_key(key))
        return made.checks[0].finding.description

    known = plain.with_keys(calendar_of("p", partitions, "here"))
    for key in others.split():
        said(known, key)
    # So a worker of a sweep has them, which is sent what its keys stand for.
    sent = plain.with_keys(KnownKeys(meanings(known, store, [as_of_from_key(judged)])))
    expected = f"after {[others.split()[place] for place in before]}"
    assert [said(one, judged) for one in (known, sent)] == [expected] * 2


def test_earlier_artifacts_that_change_are_looked_at_again(store: ArtifactStore) -> None:
    later = date(2026, 1, 7)
    assert told(made(store, later))["grows"] == (True, "21.0 of 2026-01-07 after {}")
    made(store, date(2026, 1, 6))
    made(store, date(2026, 1, 4), factor=9)
    checked.asked()
    found = told(made(store, later))["grows"]
    assert found == (True, "21.0 of 2026-01-07 after {'2026-01-06': 15.0}")
    assert checked.asked() == ["grows"]
    made(store, DAY)
    made(store, date(2026, 1, 8))
    checked.asked()
    before = "{'2026-01-05': 10.0, '2026-01-06': 15.0}"
    assert told(made(store, later))["grows"] == (True, f"21.0 of 2026-01-07 after {before}")
    made(store, later)
    assert checked.asked() == ["grows"]
    last = made(store, date(2026, 1, 9), days=1)["grows"]
    assert last.finding.metadata == {"before": {"2026-01-08": 28.0}}


@pytest.mark.parametrize("asked", ["all", "blocking"])
def test_artifact_that_does_not_pass_stays_and_nothing_is_made_of_it(
    store: ArtifactStore, asked: Any
) -> None:
    refused = (
        "sales of 2026-01-05 must pass its checks before anything is made of it, but does not pass"
        " 'enough': there must be 6 rows, but there are 5. It stays published, and this run makes"
        " nothing of it. Mend what is wrong, or ask for other thresholds (least = 6), then run"
        " again."
    )
    for selection in (None, ["sales"], ["sales", "total"], ["total"]):
        with pytest.raises(CheckFailed) as caught:
            made(store, selection=selection, asked=asked, least=6)
        assert str(caught.value) == refused
    assert not (Path(store.uri) / "total").exists()
    assert checked.asked().count("enough") == 1
    made(store)
    with pytest.raises(CheckFailed):
        made(store, selection=["total"], least=6)


def test_plan_tells_what_is_known_to_be_blocked_and_asks_nothing(store: ArtifactStore) -> None:
    def planned(*selection: str, **values: Any) -> list[tuple[str, str]]:
        maker = Materializer(checked.PIPELINE, store)
        steps = maker.plan(PARAMS.parse(values), DAY, selection or None)
        return [(one.action, one.because) for one in steps]

    made(store, selection=["sales"])
    assert [action for action, _ in planned(least=6)] == ["reuse", "compute"]
    with pytest.raises(CheckFailed) as caught:
        made(store, least=6)
    checked.asked()
    assert planned(least=6)[1] == planned("total", least=6)[0] == ("blocked", str(caught.value))
    # Other thresholds are not those that it does not pass, and force asks in any case.
    assert [action for action, _ in planned()] == ["reuse", "compute"]
    assert [action for action, _ in planned(least=6, force=True)] == ["compute", "compute"]
    assert checked.asked() == []


def test_promotion_tells_of_what_did_not_pass_when_asked_last(store: ArtifactStore) -> None:
    *_, last = Materializer(checked.PIPELINE, store, asked="none").run(PARAMS.defaults, DAY)
    environments = Environments(Environment("", store.uri, ""), ["prod"])
    asked = PromotionRequest(f"{last.record.run_id}/{last.record.revision}", "prod")

    def problems() -> tuple[str, ...]:
        return tuple(asked.planned(checked.PIPELINE, environments, lambda _name: store).problems)

    assert problems() == ()
    made(store, most=3)  # which `values` warns of
    assert problems() == ()
    with pytest.raises(CheckFailed):
        made(store, least=6)
    (told_of,) = problems()
    assert told_of == (
        "sales must pass its check 'enough', but did not when it was asked at last: there must be"
        " 6 rows, but there are 5"
    )
    made(store)
    assert problems() == ()


def test_what_one_run_may_not_use_another_with_other_thresholds_may(store: ArtifactStore) -> None:
    with pytest.raises(CheckFailed):
        made(store, least=6)
    assert told(made(store)) == FINE


def test_reproduction_asks_nothing(store: ArtifactStore, tmp_path: Path) -> None:
    made(store)
    checked.asked()
    outcome = list(Materializer(checked.PIPELINE, store).run(PARAMS.defaults, DAY))[-1]
    entry = Entry(outcome.slot.revision(outcome.record.revision), outcome.record)
    clean = ArtifactStore(str(tmp_path / "clean"))
    assert [one.agrees for one in reproduce(checked.PIPELINE, store, entry, clean)] == [True, True]
    assert checked.asked() == []


def test_findings_that_cannot_be_kept_stop_no_run(
    store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    made(store)
    for file in Path(store.uri).rglob("checks.json"):
        file.unlink()
        (file / "in its place").mkdir(parents=True)
    assert told(made(store)) == FINE
    assert "what checks have found in sales is not kept. Could not write" in caplog.text
    with pytest.raises(CheckFailed):
        made(store, least=6)


def test_findings_that_cannot_be_read_are_found_again(store: ArtifactStore) -> None:
    made(store)
    checked.asked()
    for file in Path(store.uri).rglob("checks.json"):
        file.write_text(file.read_text().replace("5", "6"))
    assert told(made(store)) == FINE
    assert checked.asked() == ["enough", "values", "grows"]
