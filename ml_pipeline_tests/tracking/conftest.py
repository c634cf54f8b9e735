"""One MLflow server for each module that asks for it."""

import contextlib
from collections.abc import Iterator

import pytest

from ml_pipeline.tracking.mlflow.sending import QUIET, _known
from ml_pipeline_tests.toys.mlflow_server import MlflowServer
from ml_pipeline_tests.toys.postgres import postgres


@pytest.fixture(scope="module")
def mlflow_server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[MlflowServer]:
    """Run a server; its database is Postgres where the module says so by `ON_POSTGRES`."""
    with contextlib.ExitStack() as around:
        database = ""
        if getattr(request.module, "ON_POSTGRES", False):
            database = around.enter_context(postgres()).url.replace("://", "+psycopg2://")
        server = MlflowServer(tmp_path_factory.mktemp("mlflow"), database)
        patch = around.enter_context(pytest.MonkeyPatch.context())
        for name, value in QUIET.items():
            patch.setenv(name, value)
        server.start()
        try:
            yield server
        finally:
            server.kill()
            # A process that sends outlives the one that has started it, which here is all tests'.
            for sending in _known.values():
                if sending._process is not None:
                    sending._process.kill()
                    sending._process.wait()
