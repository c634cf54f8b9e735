"""Packages and files that a stage depends on, declared or not."""

from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.provenance import version_of, versions_of
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.runs.surroundings import upgraded
from ml_pipeline.store.artifacts import ArtifactStore


def numbers() -> dict[str, int]:
    """Numbers of no consequence."""
    return {"n": 1}


def made(folder: Path, **declared: Any) -> Outcome:
    pipeline = Pipeline("p", ParamModel())
    pipeline.asset(**declared)(numbers)
    store = ArtifactStore(str(folder / "store"))
    (outcome,) = Materializer(pipeline, store).run(pipeline.params.defaults, None)
    return outcome


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that installs a version of `mylib`."""
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def install(number: str) -> None:
        for old in site.glob("*.dist-info"):
            (old / "METADATA").unlink()
            old.rmdir()
        new = site / f"mylib-{number}.dist-info"
        new.mkdir()
        (new / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mylib\nVersion: {number}\n")
        # In a process of its own, nothing is kept of what was installed before.
        version_of.cache_clear()
        versions_of.cache_clear()

    return install


def test_another_version_of_a_declared_package_gives_another_revision(
    tmp_path: Path, installed: Callable[[str], None]
) -> None:
    installed("1.0")
    first = made(tmp_path, packages=["mylib"])
    assert first.record.packages == {"mylib": "1.0"}
    assert made(tmp_path, packages=["mylib"]).reused
    installed("2.0")
    second = made(tmp_path, packages=["mylib"])
    assert second.reason == "numbers: computed: package mylib 1.0 -> 2.0"
    assert second.record.revision != first.record.revision
    installed("1.0")
    assert made(tmp_path, packages=["mylib"]).reused


def test_another_version_of_a_package_beside_a_declared_code_version_counts(
    tmp_path: Path, installed: Callable[[str], None]
) -> None:
    installed("1.0")
    made(tmp_path, packages=["mylib"], code_version="7")
    installed("2.0")
    second = made(tmp_path, packages=["mylib"], code_version="7")
    assert second.reason == "numbers: computed: package mylib 1.0 -> 2.0"
    assert second.record.code == "7+mylib=2.0"


@pytest.mark.parametrize("packages", [["no-such"], ["numpy", "no-such", "nor-this"]])
def test_packages_that_are_not_installed_are_refused_all_at_once(
    tmp_path: Path, packages: list[str]
) -> None:
    with pytest.raises(PipelineError) as caught:
        made(tmp_path, packages=packages)
    missing = ", ".join(packages[packages.index("no-such") :])
    assert str(caught.value) == (
        f"The packages that 'numbers' declares must be installed, but {missing} is not. Give the"
        " names by which they are installed, such as 'scikit-learn'."
    )


@pytest.mark.parametrize("which", ["packages", "files"])
def test_one_text_in_place_of_several_is_refused(tmp_path: Path, which: str) -> None:
    with pytest.raises(PipelineError) as caught:
        made(tmp_path, **{which: "numpy"})
    assert str(caught.value) == (
        f"The {which} of 'numbers' must be several texts, but is the text 'numpy'. Write"
        " ('numpy',)."
    )


def test_other_content_of_a_declared_file_gives_another_revision(tmp_path: Path) -> None:
    file = tmp_path / "weights.csv"
    file.write_text("1")
    first = made(tmp_path, files=[str(file)])
    assert made(tmp_path, files=[str(file)]).reused
    file.write_text("2")
    second = made(tmp_path, files=[str(file)])
    assert second.reason == f"numbers: computed: file {file} changed"
    assert second.record.revision != first.record.revision
    file.write_text("1")
    assert made(tmp_path, files=[str(file)]).reused


def test_declared_file_is_found_beside_the_module(tmp_path: Path) -> None:
    name = Path(__file__).name
    assert list(made(tmp_path, files=[name]).record.files) == [name]
    assert made(tmp_path, files=[Path(name)]).reused


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"files": ["../runs"]}, "must be files, but .*runs is a folder. Declare the files in it"),
        ({"files": [3]}, "must be texts or paths, but: .* not int"),
        ({"packages": [""]}, "must be installed, but '' is not"),
    ],
)
def test_declaration_of_what_is_none_is_refused(
    tmp_path: Path, declared: dict[str, Any], said: str
) -> None:
    with pytest.raises(PipelineError, match=said):
        made(tmp_path, **declared)


@pytest.mark.parametrize("missing", [["no.csv"], ["no.csv", "nor/this.csv"]])
def test_declared_files_that_are_missing_are_refused_all_at_once(
    tmp_path: Path, missing: list[str]
) -> None:
    with pytest.raises(PipelineError) as caught:
        made(tmp_path, files=[*missing, __file__])
    folder = Path(__file__).parent
    told = ", no ".join(str(folder / name) for name in missing)
    assert str(caught.value) == (
        f"The files that 'numbers' declares must exist, but there is no {told}. Put it there, or"
        " declare its path, relative to the folder of the stage's module."
    )


@pytest.mark.parametrize(
    ("recorded", "libraries", "declared", "told"),
    [
        ({"scikit-learn": "0.1"}, ["sklearn"], [], ["scikit-learn was 0.1, is now {scikit-learn}"]),
        ({"PyYAML": "0.1"}, ["yaml"], [], ["PyYAML was 0.1, is now {PyYAML}"]),
        ({"gone-lib": "0.1"}, ["gone-lib"], [], ["gone-lib was 0.1, is now gone"]),
        ({"polars": "0.1"}, ["sklearn"], [], []),
        ({"polars": "0.1"}, ["polars"], ["polars"], []),
        ({}, ["polars"], [], []),
    ],
)
def test_packages_that_the_code_imports_are_compared_with_those_recorded(
    recorded: dict[str, str], libraries: Iterable[str], declared: list[str], told: list[str]
) -> None:
    expected = [
        one.format_map({name: version(name) for name in ("scikit-learn", "PyYAML")}) for one in told
    ]
    assert list(upgraded(recorded, libraries, declared)) == expected
