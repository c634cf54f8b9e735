"""What several test modules share: a Hypothesis profile and ways to run code in other processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from ml_pipeline import projects
from ml_pipeline_tests.e2e.server import Server, serving, tool
from ml_pipeline_tests.toys.bench import Bench

TOYS = Path(__file__).parent / "toys"

hypothesis.settings.register_profile("ml_pipeline", max_examples=60, deadline=None)
hypothesis.settings.load_profile("ml_pipeline")

Fingerprint = Callable[..., dict[str, str]]


@pytest.fixture(autouse=True)
def _serves_nobody() -> None:
    """Let no code location that an earlier test has loaded say where the home folder is."""
    projects._served.clear()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Give the toy pipeline a store and a home of its own."""
    bench = Bench(tmp_path)
    monkeypatch.setenv("TOY_HOME", str(bench.home))
    return bench


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Run Python code in a new process and return what it prints.

    The code gets `arguments` as ``sys.argv[1:]``; `env` is added to the environment.
    """

    def run(code: str, *arguments: str, **env: str) -> str:
        finished = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    return run


@pytest.fixture
def run_script() -> Callable[..., Any]:
    """Run a script of the folder `toys` in a new process and return the JSON that it prints."""

    def run(script: str, *arguments: object) -> Any:
        finished = subprocess.run(
            [sys.executable, str(TOYS / script), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert finished.returncode == 0, finished.stderr
        return json.loads(finished.stdout)

    return run


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start the UI and its daemon on a home folder of their own."""
    home = tmp_path_factory.mktemp("home")
    with serving([tool("ml-pipeline"), "ui"], home, cwd=home) as running:
        yield running


@pytest.fixture(scope="session")
def code_server() -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """Answer requests of `code_child.py`, each in a process of its own."""
    with subprocess.Popen(
        [sys.executable, str(TOYS / "code_child.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def ask(request: dict[str, Any]) -> dict[str, Any]:
            print(json.dumps(request), file=server.stdin, flush=True)
            reply: dict[str, Any] = json.loads(server.stdout.readline())
            return reply

        yield ask
        server.stdin.close()
