"""A home for results."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML_PIPELINE_HOME", str(tmp_path_factory.mktemp("home")))
        yield
