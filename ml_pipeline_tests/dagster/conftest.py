"""A home that has nothing yet, and a site whose instance the tests of a module share."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ml_pipeline.settings import Settings
from ml_pipeline_tests.toys.bench import Bench
from ml_pipeline_tests.toys.dagster_site import Site, temporary_instance


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    return Settings()


@pytest.fixture(scope="module")
def shared_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with temporary_instance(tmp_path_factory.mktemp("dagster") / "instance") as instance:
        yield instance


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_instance: dg.DagsterInstance
) -> Site:
    """A store of its own and an instance that remembers other tests."""
    bench = Bench(tmp_path)
    monkeypatch.setenv("TOY_HOME", str(bench.home))
    return Site(bench, shared_instance)
