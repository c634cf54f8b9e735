"""A package of one's own that `new` writes: refused by name, or whole and working."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml_pipeline.cli.new_project import template_files, write_project
from ml_pipeline.errors import SettingsError
from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.e2e.server import tool


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my-flats", "but got 'my-flats'. Did you mean 'my_flats'?"),
        ("Flats", "Did you mean 'flats'?"),
        ("../flats", "Did you mean 'flats'?"),
        ("2flats", "a letter first, at most 60, but got '2flats'."),
        ("", "but got ''."),
        ("x" * 61, "at most 60"),
        ("flät", "but got 'flät'"),
        ("class", "'class' is a word of Python"),
        ("match", "'match' is a word of Python"),
        ("tests", "'tests' is what its tests are in"),
        ("json", "'json' is a module of Python itself"),
        ("numpy", "'numpy' is an installed module"),
        ("dagster", "'dagster' is an installed module"),
        ("ml_pipeline", "'ml_pipeline' is an installed module"),
        ("moto_server", None),
        ("scikit_learn", "'scikit_learn' is an installed package (version "),
        ("taken", "taken must not be there yet, but is."),
        ("link", "link must not be there yet, but is."),
    ],
)
def test_new_name_that_cannot_be_used_is_refused_and_nothing_written(
    tmp_path: Path, name: str, said: str | None
) -> None:
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    if said is None:
        assert write_project(name, tmp_path).is_dir()
        return
    with pytest.raises(SettingsError) as caught:
        write_project(name, tmp_path)
    assert said in str(caught.value)
    assert str(caught.value).endswith("Nothing was written.")
    assert {path.name for path in tmp_path.iterdir()} == {"taken", "link"}
    assert (tmp_path / "taken").read_text() == "mine"


def test_new_folder_that_takes_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"No such file or directory. Nothing was written"):
        write_project("flats", tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_new_interrupted_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_project("flats", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_new_project_has_every_file_of_the_template_under_its_own_name(tmp_path: Path) -> None:
    written = write_project("flats", tmp_path)
    files = {str(file.relative_to(written)) for file in written.rglob("*") if file.is_file()}
    assert files == {
        ".gitignore",
        "README.md",
        "flats/__init__.py",
        "flats/assets.py",
        "flats/config.py",
        "flats/definitions.py",
        "flats/defs/__init__.py",
        "flats/source.py",
        "pyproject.toml",
        "tests/conftest.py",
        "tests/test_flats.py",
    }
    assert len(files) == len(list(template_files()))
    for file in files:
        text = (written / file).read_text()
        assert "new_pipeline" not in text
        if file.endswith(".py"):
            compile(text, file, "exec")
    made = tmp_path / "by_hand"
    made.mkdir()
    assert written.stat().st_mode == made.stat().st_mode


def _run(project: Path, *command: str) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ML_PIPELINE_", "DAGSTER_"))}
    done = subprocess.run(
        command,
        cwd=project,
        env=kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_new_project_passes_its_tests_and_every_tool_serves_it(tmp_path: Path) -> None:
    cli = CommandLine(tmp_path)
    told = cli("new", "flats")
    assert told.code == 0, told.err
    assert told.out.splitlines()[2:] == [
        "  cd flats",
        "  pip install -e '.[test]' && pytest",
        "  ml-pipeline ui",
    ]
    project = tmp_path / "flats"
    assert "6 passed" in _run(project, tool("pytest"), "-W", "error", "-p", "no:cacheprovider")
    assert not (project / ".ml_pipeline").exists()
    _run(project, tool("ruff"), "check", "--isolated", "--select", "B,D1,E,F,I,UP", "--ignore",
         "D103", "--line-length", "100")  # fmt: skip
    _run(project, tool("mypy"), "--strict", "--ignore-missing-imports", "flats")

    inside = CommandLine(project / "flats")
    ran = inside("run", "--as-of", "2025-03-07", "--param", "alpha=2", "--json")
    assert ran.code == 0, ran.err
    assert (project / ".ml_pipeline" / "artifacts" / "model").is_dir()
    swept = inside("sweep", "--as-of", "2025-03-07", "-p", "alpha=1,2", "--json")
    assert swept.code == 0, swept.err
    refused = inside("run", "--as-of", "2024-12-31")
    assert "the partitions of pipeline 'flats' are the calendar" in refused.err

    _run(project, tool("dg"), "scaffold", "defs", "dagster.asset", "extra.py")
    listed = _run(project, tool("dg"), "list", "defs", "--json")
    for name in ("extra", "evaluation", "sweep", "requests", "daily_window", "weekly_sweep"):
        assert f'"{name}"' in listed
    _run(project, tool("dg"), "check", "defs")
    _run(project, tool("dagster"), "definitions", "validate")
    again = inside("new", "flats")
    assert again.code == 0, again.err
