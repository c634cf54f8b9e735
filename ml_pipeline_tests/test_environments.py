"""Environments as they are configured: what is in effect, and everything that is refused."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_pipeline.current import current_environment, in_environment
from ml_pipeline.environments import Environments
from ml_pipeline.errors import SettingsError
from ml_pipeline.places import Place
from ml_pipeline.retention import Retention
from ml_pipeline.settings import settings

TWO = 'environment = "dev"\n[environments.dev]\n[environments.staging]\nstore = "s3://staging/ml"\n'


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Start in an empty folder, with no variable set and nothing remembered."""
    for name in [name for name in os.environ if name.upper().startswith("ML_PIPELINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".ml_pipeline").mkdir()
    settings.cache_clear()
    yield tmp_path / ".ml_pipeline" / "settings.toml"
    settings.cache_clear()


def read(file: Path, text: str) -> Environments:
    file.write_text(text)
    settings.cache_clear()
    return settings().environments


def refused(file: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(file, text)
    first, *lines, last = str(caught.value).splitlines()
    assert first == "Settings cannot be used:"
    assert last.startswith("Correct the variable")
    return [line.strip() for line in lines]


def test_environments_as_names_are_those_of_the_ledger_in_the_one_store(file: Path) -> None:
    found = settings().environments
    assert list(found) == ["staging", "production"]
    assert found.configured == ()
    assert found.named(None).name == ""
    assert found.named(None).store == settings().store_root == found["staging"].store
    assert found.refusal(None) is None
    assert list(read(file, 'environments = ["a", "b"]\n')) == ["a", "b"]


def test_table_has_from_what_it_inherits_and_from_the_base_what_it_does_not_say(file: Path) -> None:
    found = read(
        file,
        """
        store = "s3://base/ml"
        environment = "dev"
        writable = ["dev", "blue"]
        mlflow_tracking_uri = "http://base:5000"
        [sources]
        shop = "/data/shop"
        plain = "/data/plain"
        [params.training]
        learning_rate = 0.3
        [environments.dev]
        [environments.staging]
        store = "s3://staging/ml"
        studies = "postgresql://ann@host/studies"
        sources = { shop = { location = "s3://staging/orders", columns = { amount = "Sum" } } }
        params = { training = { learning_rate = 0.2, seed = 1 } }
        reads = ["dev"]
        mlflow_tracking_uri = "http://staging:5000"
        [environments.blue]
        inherits = "staging"
        store = "blue"
        params = { training = { seed = 2 }, data = { source = "shop" } }
        reads = []
        mlflow_tracking_uri = ""
        """,
    )
    dev, staging, blue = found["dev"], found["staging"], found["blue"]
    assert (dev.store, dev.params) == ("s3://base/ml", {"training": {"learning_rate": 0.3}})
    assert staging.params == {"training": {"learning_rate": 0.2, "seed": 1}}
    assert staging.reads == ("dev",)
    assert blue.params == {
        "training": {"learning_rate": 0.2, "seed": 2},
        "data": {"source": "shop"},
    }
    assert (blue.store, blue.reads, blue.studies) == ("blue", (), staging.studies)
    assert blue.sources == {
        "shop": Place(location="s3://staging/orders", columns={"amount": "Sum"}),
        "plain": "/data/plain",
    }
    told = [one.mlflow_tracking_uri for one in (found.base, dev, staging, blue)]
    assert told == ["http://base:5000", "http://base:5000", "http://staging:5000", ""]
    assert blue.given_by == {
        "store": "blue",
        "studies": "staging",
        "reads": "blue",
        "gate": "",
        "mlflow_tracking_uri": "blue",
        "sources.shop": "staging",
        "sources.plain": "",
        "params.training.learning_rate": "staging",
        "params.training.seed": "blue",
        "params.data.source": "blue",
    }
    assert (found.default, found.writable) == ("dev", ("dev", "blue"))


def test_variables_win_over_the_file_line_by_line(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_ENVIRONMENT", "staging")
    monkeypatch.setenv("ML_PIPELINE_ENVIRONMENTS", '{"staging": {"reads": ["dev"]}}')
    found = read(file, TWO)
    assert (found.default, found.writable) == ("staging", ("staging",))
    assert (found["staging"].store, found["staging"].reads) == ("s3://staging/ml", ("dev",))


def test_every_problem_of_the_file_is_in_one_message(file: Path) -> None:
    rule = "must be one of dev, staging, Blue, blue, green, prod, a, b"
    shared = (
        f"must be its own, but is that of 'dev', {file.parent}/artifacts: set another, or"
        " shares_store = true if that is meant"
    )
    told = f"""\
dates_per_run: Input should be greater than or equal to 1, got 0
environments.staging.sources.shop: Input should be a valid string, got 3
environments: a name must be lower-case letters, digits, _ and -, beginning with a letter, but got \
'Blue'
environments.blue.stroe: does not exist. Did you mean 'store'?
environments.green.params.run.environment: must be left out: it is 'green'
environment: {rule}, but got 'dve'. Did you mean 'dev'?
writable: {rule}, but got 'gren'. Did you mean 'green'?
environments.blue.inherits: {rule}, but got 'stagin'. Did you mean 'staging'?
environments.green.reads: {rule}, but got 'prd'. Did you mean 'prod'?
environments.green.reads: must name others, but names itself
environments.a.inherits: must come to an end, but goes in a circle: a -> b -> a
environments.green.store: {shared}
environments.prod.store: {shared}
"""
    assert (
        refused(
            file,
            """
        environment = "dve"
        writable = ["dev", "gren"]
        dates_per_run = 0
        [environments.dev]
        [environments.staging]
        store = "s3://staging/ml"
        sources = { shop = 3 }
        [environments.Blue]
        [environments.blue]
        inherits = "stagin"
        stroe = "s3://blue/ml"
        [environments.green]
        inherits = "prod"
        reads = ["prd", "green"]
        params = { run = { environment = "dev" } }
        [environments.prod]
        [environments.a]
        inherits = "b"
        [environments.b]
        inherits = "a"
        """,
        )
        == told.splitlines()
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (TWO + "[environments.blue]\ninherits = 'staging'", "blue.store: must be its own, but is"),
        (TWO + "[environments.b]\nstore = 'S3://staging/ml/'", "b.store: must be its own, but is"),
        (TWO + "shares_store = true", "staging.shares_store: must be left out"),
        (TWO + "[environments.b]\nstore = 's3://staging/ml/b'", "b.store: must not lie within"),
        (
            TWO + "[environments.b]\ninherits = 'dev'\nshares_store = true\nreads = ['dev']",
            "b.reads: must name other stores; 'dev' has the same",
        ),
        (TWO.replace('environment = "dev"', ""), "environment: must be one of dev, staging, since"),
        ('environment = "dev"\n', "environment: tables [environments.NAME] must say what it names"),
        ('environments = ["dev"]\nwritable = []', "writable: tables [environments.NAME] must say"),
        ('environments = "dev"', "environments: must be names or tables, but got 'dev'"),
        ('environments = ["Dev"]', "environments: a name must be lower-case letters"),
        ('environments = ["none"]', "must not be none, which a run reads as no environment"),
        (
            'environment = "dev"\n[environments.dev]\n[environments.null]\n',
            "must not be null, which a run reads as no environment",
        ),
        (TWO + "inherits = 'dve'", "staging.inherits: must be one of dev, staging, but got 'dve'."),
    ],
)
def test_environments_that_do_not_fit_together_are_refused(
    file: Path, text: str, line: str
) -> None:
    (problem,) = refused(file, text)
    assert line in problem


@pytest.mark.parametrize(
    "line",
    [
        'store = "s3://ann:hunter2@bucket/ml"',
        'studies = "postgresql://ann:hunter2@host/studies"',
        'sources = { shop = "https://host/orders?token=hunter2" }',
        'sources = { shop = { location = "https://host/orders?sig=hunter2" } }',
        'params = { data = { source = "https://ann:hunter2@host/orders" } }',
        'reads = ["s3://ann:hunter2@bucket/ml"]',
        'inherits = "s3://ann:hunter2@bucket/ml"',
        '"s3://ann:hunter2@bucket/ml" = 1',
        'mlflow_tracking_uri = "http://ann:hunter2@host:5000"',
    ],
)
def test_credentials_in_a_table_are_refused_and_not_shown(file: Path, line: str) -> None:
    told = "\n".join(refused(file, f"{TWO}[environments.blue]\n{line}"))
    assert "hunter2" not in told
    assert "must not carry credentials" in told or "does not exist" in told
    assert ("MLFLOW_TRACKING_PASSWORD" in told) == line.startswith("mlflow")


def test_stores_are_shared_where_that_is_said(file: Path) -> None:
    found = read(file, TWO + "[environments.blue]\ninherits = 'staging'\nshares_store = true\n")
    assert found["blue"].store == found["staging"].store


def test_environment_of_what_runs_is_the_default_unless_it_is_in_another(file: Path) -> None:
    read(file, TWO)
    assert current_environment().name == "dev"
    with in_environment("staging"):
        assert current_environment().store == "s3://staging/ml"
        with in_environment(None):
            assert current_environment().name == "dev"
    assert current_environment().name == "dev"


def test_environment_that_may_not_be_written_is_refused_by_name(file: Path) -> None:
    found = read(file, TWO)
    assert found.refusal(None) is None
    assert found.refusal("dev") is None
    assert found.refusal("staging") == (
        "must be one that this deployment may write to, dev, but is 'staging'. The setting"
        " `writable` names them; a deployment that may write there can run it"
    )
    found = read(file, "writable = []\n" + TWO)
    assert "may write to, none at all, but is 'dev'" in str(found.refusal(None))


RETAINED = """
environment = "dev"
retention = { artifacts = "400d", keep_newest = 50, logs = "30d" }
[environments.dev]
store = "dev"
retention = { artifacts = "30d", keep_former = false }
[environments.prod]
store = "prod"
retention = { artifacts = "never" }
"""


def test_retention_is_inherited_line_by_line(file: Path) -> None:
    known = read(file, RETAINED)
    assert dict(known["dev"].retention) == {
        "artifacts": "30d", "keep_newest": 50, "logs": "30d", "keep_former": False,
    }  # fmt: skip
    assert known["dev"].given_by["retention.artifacts"] == "dev"
    assert known["dev"].given_by["retention.logs"] == ""
    assert Retention.model_validate(known["prod"].retention).artifacts is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'artifacts = "400d", ',
            "",
            ["retention.keep_newest: must go with artifacts, without which it has no effect"],
        ),
        (
            'logs = "30d"',
            'logs = "1h", log = 1, keep_latest = "no"',
            [
                "retention.keep_latest: Input should be a valid boolean, got 'no'",
                "retention.logs: must be at least 1d, or never, but got '1h'",
                (
                    "retention.log: must be one of artifacts, keep_newest, revisions, keep_former,"
                    " dagster_runs, keep_latest, studies, logs. Did you mean 'logs'?"
                ),
            ],
        ),
        (
            "keep_former = false",
            "keep_latest = false",
            [
                (
                    "environments.dev.retention.keep_latest: must go with dagster_runs, without"
                    " which it has no effect"
                )
            ],
        ),
        (
            'keep_newest = 50, logs = "30d"',
            'revisions = "30d"',
            [
                (
                    "environments.dev.retention.revisions: must be less than artifacts, since what"
                    " is as old as that goes anyway"
                )
            ],
        ),
        (
            'store = "prod"',
            'store = "dev"\nshares_store = true',
            [
                (
                    "environments.prod.retention: must say of artifacts and revisions what that"
                    " of 'dev' does, since both have one store"
                )
            ],
        ),
    ],
)
def test_retention_without_effect_or_at_odds_is_refused(
    file: Path, old: str, new: str, told: list[str]
) -> None:
    assert refused(file, RETAINED.replace(old, new)) == told
