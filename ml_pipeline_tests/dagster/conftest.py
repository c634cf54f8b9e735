"""A home that has nothing yet."""

from pathlib import Path

import pytest

from ml_pipeline.settings import Settings


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    return Settings()
