"""The jobs that promote and go back, as the launchpad runs them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.dagster.code_location import code_location
from ml_pipeline.errors import QueryError
from ml_pipeline.settings import settings
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys import sweeps as toy
from ml_pipeline_tests.toys.dagster_site import DAILY, QUIET, failure, temporary_instance

LAST = "2026-01-12"
OPS = {"promote": "promotion", "rollback": "roll_back"}
TABLES = """
environment = "staging"
writable = ["staging", "prod"]
[environments.staging]
store = "{folder}/staging"
[environments.prod]
store = "{folder}/prod"
gate = {{ criteria = ["loss within 2%"], min_dates = 2 }}
[environments.closed]
store = "{folder}/closed"
"""


@dataclass(frozen=True)
class Site:
    """The toy in two environments; in staging, two learning rates were tried at three dates."""

    folder: Path
    instance: dg.DagsterInstance
    defs: dg.Definitions

    def run(self, rate: float, first: str) -> None:
        job = self.defs.resolve_implicit_global_asset_job_def()
        config = {"fit": {"learning_rate": rate}}
        done = job.execute_in_process(
            run_config={"resources": {"params": {"config": config}}, "loggers": QUIET},
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in ("table", "model", "score")],
            tags={
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": LAST,
            },
        )
        assert done.success

    def job(self, name: str, **config: Any) -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def(name).execute_in_process(
            run_config={"ops": {OPS[name]: {"config": config}}, "loggers": QUIET},
            instance=self.instance,
            raise_on_error=False,
        )

    @property
    def standing(self) -> list[ledger.Promotion]:
        return ledger.history(ArtifactStore(str(self.folder / "prod")))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("promotion")
    (folder / "ml").mkdir()
    (folder / "ml" / "settings.toml").write_text(TABLES.format(folder=folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML_PIPELINE_HOME", str(folder / "ml"))
        settings.cache_clear()
        with temporary_instance(folder / "instance") as instance:
            defs = code_location(toy.PIPELINE, DAILY, code=Path(__file__).parent)
            found = Site(folder, instance, defs)
            for rate in (0.1, 0.3):
                found.run(rate, "2026-01-10")
            yield found
        settings.cache_clear()


def test_promote_and_roll_back_from_the_launchpad(site: Site) -> None:
    dry = site.job("promote", run="learning_rate=0.1", to="prod", dry_run=True)
    assert dry.success, failure(dry)
    assert site.standing == []
    first = site.job("promote", run="learning_rate=0.1", to="prod", by="ann", note="first")
    assert first.success, failure(first)
    (entry,) = site.standing
    assert (entry.source, entry.by, entry.note, str(entry.as_of)) == (
        "staging",
        "ann",
        "first",
        LAST,
    )
    worse, better = sorted((0.1, 0.3), key=lambda rate: abs(rate - 0.3), reverse=True)
    assert (worse, better) == (0.1, 0.3)
    refused = site.job("promote", run="learning_rate=0.3", to="prod")
    assert not refused.success
    assert "The candidate fails: loss " in failure(refused)
    assert f"'prod' still has {entry.run_id}" in failure(refused)
    assert len(site.standing) == 1
    forced = site.job(
        "promote", run="learning_rate=0.3", to="prod", force=True, note="a trial", flags={"a": 1}
    )
    assert forced.success, failure(forced)
    now = site.standing[-1]
    assert now.gate is not None
    assert not now.gate["passed"]
    assert now.parameters == {"learning_rate": (0.1, 0.3)}
    assert now.flags == {"a": 1}
    (seen,) = [
        event.asset_observation_data.asset_observation
        for event in forced.all_events
        if event.event_type_value == "ASSET_OBSERVATION"
    ]
    assert seen.metadata["promoted_to"].value == "prod"
    assert seen.metadata["before"].value == entry.run_id
    assert seen.partition == LAST
    back = site.job("rollback", to="prod", by="bob")
    assert back.success, failure(back)
    assert (site.standing[-1].run_id, site.standing[-1].restores) == (entry.run_id, 1)


@pytest.mark.parametrize(
    ("job", "config", "told"),
    [
        (
            "promote",
            {"run": "zz", "to": "prd", "source": "stagin", "force": True},
            [
                "Did you mean 'prod'?",
                "Did you mean 'staging'?",
                "force needs a note",
                "a side must be",
            ],
        ),
        ("promote", {"run": "00", "to": "closed"}, ["this deployment may write to"]),
        (
            "promote",
            {"run": "00", "to": "prod", "gate": ["error < "], "alias": "champ"},
            ["gate", "Did you mean 'champion'?"],
        ),
        ("promote", {"run": "00", "to": "prod", "min_dates": 0}, ["min_dates"]),
        ("promote", {"run": "00", "to": "prod", "as_of": LAST}, ["a run id says its date"]),
        ("promote", {"run": "00@staging", "to": "prod", "source": "prod"}, ["leave one out"]),
        ("rollback", {"to": "prd"}, ["Did you mean 'prod'?"]),
        ("rollback", {"to": "closed"}, ["this deployment may write to"]),
    ],
)
def test_config_that_cannot_be_is_refused_before_a_run_exists(
    site: Site, job: str, config: dict[str, Any], told: list[str]
) -> None:
    before = site.instance.get_runs_count()
    with pytest.raises(QueryError) as refused:
        site.job(job, **config)
    for one in told:
        assert one in str(refused.value)
    assert site.instance.get_runs_count() == before
