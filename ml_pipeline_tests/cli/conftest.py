"""The command line as its users have it: a process of its own, in a home of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """Runs `ml-pipeline` in a folder, with the home folder in it."""

    folder: Path

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ran:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ML_PIPELINE_")}
        command = [str(Path(sys.executable).parent / "ml-pipeline"), *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**inherited, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @property
    def artifacts(self) -> Path:
        return self.folder / ".ml_pipeline" / "artifacts"


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A home in which 1998-05-31 has been run with the defaults."""
    line = CommandLine(tmp_path_factory.mktemp("used"))
    done = line("run", "--as-of", "1998-05-31")
    assert done.code == 0, done.err
    return line
