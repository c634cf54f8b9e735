"""What is recorded of a computation's surroundings."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from ml_pipeline.runs.provenance import provenance, version_of

ALWAYS = {"dagster", "ml_pipeline", "numpy", "polars", "scikit-learn", "scipy", "skops"}


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that writes modules, imports the first and returns their folder."""
    monkeypatch.syspath_prepend(tmp_path)

    def load(**sources: str) -> Path:
        for name, source in sources.items():
            file = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)
        first = next(iter(sources)).replace("__", ".")
        monkeypatch.delitem(sys.modules, first, raising=False)
        importlib.import_module(first)
        return tmp_path

    return load


def packages(code: Path) -> dict[str, str]:
    return provenance(None, code).packages


def test_packages_of_no_code_are_those_that_always_count(tmp_path: Path) -> None:
    assert packages(tmp_path) == {name: version(name) for name in ALWAYS}


def test_packages_that_a_module_imports_are_recorded(load: Callable[..., Path]) -> None:
    code = load(shop_top="import os\nimport rich.table as t, json\nfrom click import echo\n")
    assert packages(code).keys() - ALWAYS == {"rich", "click"}
    assert packages(code)["rich"] == version("rich")


def test_packages_that_a_function_imports_when_it_runs_are_recorded(
    load: Callable[..., Path],
) -> None:
    code = load(
        shop_lazy="class Model:\n    def fit(self):\n        if self:\n"
        "            try:\n                import optuna\n            except OSError:\n"
        "                from blake3 import blake3\n            return optuna, blake3\n"
    )
    assert packages(code).keys() - ALWAYS == {"optuna", "blake3"}


def test_packages_with_another_name_than_their_module_are_recorded(
    load: Callable[..., Path],
) -> None:
    code = load(shop_named="import yaml\nimport sklearn.linear_model\n")
    assert packages(code).keys() - ALWAYS == {"PyYAML"}
    assert packages(code)["PyYAML"] == version_of("PyYAML")


def test_packages_of_modules_that_are_not_loaded_yet_are_recorded(
    load: Callable[..., Path],
) -> None:
    code = load(
        shop__stages="def fit():\n    from .models import forest\n    from shop import more\n"
        "    import shop.others\n",
        shop__models="import rich\nforest = 1\n",
        shop__more="import click\n",
        shop__others="import blake3\n",
        shop__unused="import optuna\n",
    )
    assert "shop.models" not in sys.modules
    assert packages(code).keys() - ALWAYS == {"rich", "click", "blake3"}


def test_packages_that_are_not_installed_or_cannot_be_read_are_left_out(
    load: Callable[..., Path],
) -> None:
    code = load(
        shop_odd="def f():\n    import no_such_package, shop_broken\n    import rich\n",
        shop_broken="import (\n",
    )
    assert packages(code).keys() - ALWAYS == {"rich"}


def test_packages_that_installed_modules_import_are_left_out(
    load: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / ".venv" / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "shop_installed.py").write_text("import click\n")
    monkeypatch.syspath_prepend(site)
    code = load(shop_user="import rich\nimport shop_installed\n")
    assert packages(code).keys() - ALWAYS == {"rich"}


def test_packages_that_only_the_toolkit_imports_are_left_out() -> None:
    import ml_pipeline.definitions

    recorded = packages(Path(ml_pipeline.__file__).parent)
    assert recorded.keys() >= ALWAYS
    assert recorded.keys().isdisjoint({"blake3", "optuna", "click", "rich"})


def test_version_of_what_is_not_installed_is_none() -> None:
    assert version_of("no-such-package") is None


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder in a repository with one commit."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "stages.py").write_text("a = 1\n")
    (folder / ".gitignore").write_text("built.py\n")
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", "m"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return folder


def test_a_commit_without_changes_is_clean(checkout: Path) -> None:
    around = provenance(None, checkout)
    assert around.git_commit is not None
    assert around.git_dirty is False


def test_a_tracked_file_that_differs_is_dirty(checkout: Path) -> None:
    (checkout / "stages.py").write_text("a = 2\n")
    assert provenance(None, checkout).git_dirty is True


@pytest.mark.parametrize("new", ["fresh.py", "below/fresh.py"])
def test_a_python_file_that_is_not_tracked_is_dirty(checkout: Path, new: str) -> None:
    (checkout / new).parent.mkdir(exist_ok=True)
    (checkout / new).write_text("")
    assert provenance(None, checkout).git_dirty is True


@pytest.mark.parametrize(
    "new",
    ["notes.txt", "built.py", ".venv/a.py", "store/run=0/a.py", "venv/site-packages/a.py"],
)
def test_other_files_that_are_not_tracked_are_clean(checkout: Path, new: str) -> None:
    (checkout / new).parent.mkdir(parents=True, exist_ok=True)
    (checkout / new).write_text("")
    assert provenance(None, checkout).git_dirty is False


def test_a_folder_outside_a_repository_has_no_commit(tmp_path: Path) -> None:
    around = provenance(None, tmp_path)
    assert (around.git_commit, around.git_dirty) == (None, None)
