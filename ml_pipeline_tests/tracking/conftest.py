"""One MLflow server for each module that asks for it."""

from collections.abc import Iterator

import pytest

from ml_pipeline.tracking.mlflow.sending import QUIET
from ml_pipeline_tests.toys.mlflow_server import MlflowServer


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        server.start()
        try:
            yield server
        finally:
            server.kill()
