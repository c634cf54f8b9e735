from pathlib import Path

import pytest

from ml_pipeline.store.artifacts import ArtifactStore


@pytest.fixture(params=["local", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "root") if request.param == "local" else f"memory://{tmp_path}"


@pytest.fixture
def store(root: str) -> ArtifactStore:
    return ArtifactStore(root)


@pytest.fixture
def local(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "root"))
