"""Pages that a webserver has beside Dagster's: what is linked, and nothing else of a disk."""

from pathlib import Path

import pytest

from ml_pipeline.dagster.pages import (
    form_file,
    form_link,
    page_file,
    page_links,
    variables_of,
    webserver_here,
)

DRAWN = "model/shop=a%2Fb/run=0123/rev=4567/pictures.html"
REPORT = ".reports/leaderboard/9.html"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store whose pages a webserver has, beside other files."""
    store = tmp_path / "store"
    for path in (DRAWN, REPORT, "model/run=0123/rev=4567/data.html", "../other/run=1/rev=2/x"):
        (store / path).parent.mkdir(parents=True, exist_ok=True)
        (store / path).write_text("page")
    for name, value in variables_of("http://here:1", {"shop": tmp_path / "f"}, [store]).items():
        monkeypatch.setenv(name, value)
    return store


def linked(store: Path, path: str) -> tuple[str, str]:
    """Return the store and the path that a link names, as a webserver reads them."""
    link = str(page_links(store, a_page=path)["open"].value)
    assert link.startswith("[a page](/ml_pipeline/page/")
    key, _, rest = link.removeprefix("[a page](/ml_pipeline/page/").rstrip(")").partition("/")
    return key, rest.replace("%25", "%").replace("%3D", "=")


@pytest.mark.parametrize("path", [DRAWN, REPORT])
def test_page_of_a_store_is_linked_and_found(store: Path, path: str) -> None:
    key, read = linked(store, path)
    assert read == path
    assert str(store) not in key
    assert page_file(key, read) == store / path
    (store / path).unlink()
    assert page_file(key, read) is None


@pytest.mark.parametrize(
    "path",
    [
        "model/run=0123/rev=4567/data.html",
        "record.json",
        "../store/" + DRAWN + "/../../../../../../other/run=1/rev=2/pictures.html",
        "..%2Fother/run=1/rev=2/pictures.html",
        "../other/run=1/rev=2/pictures.html",
        "/etc/run=1/rev=2/pictures.html",
        "outside/run=1/rev=2/pictures.html",
        "model/run=\0/rev=1/pictures.html",
        ".reports/../../other/x.html",
    ],
)
def test_what_is_no_page_or_not_in_the_store_is_not_found(store: Path, path: str) -> None:
    key, _ = linked(store, DRAWN)
    other = store.parent / "other" / "run=1" / "rev=2"
    other.mkdir(parents=True, exist_ok=True)
    (other / "pictures.html").write_text("secret")
    (store / "outside").symlink_to(store.parent / "other")
    assert page_file(key, path) is None


def test_stores_and_forms_that_no_webserver_has_are_not_linked(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page_links(store.parent / "another", pictures=DRAWN) == {}
    assert page_links(None, pictures=DRAWN) == {}
    assert page_file("00000000", DRAWN) is None
    assert form_link("shop") == "/ml_pipeline/form/shop"
    assert form_link("other") is None
    assert form_file("shop") is None
    (store.parent / "f").write_text("form")
    assert form_file("shop") == store.parent / "f"
    assert webserver_here() == "http://here:1"
    monkeypatch.delenv("ML_PIPELINE_PAGES")
    assert page_links(store, pictures=DRAWN) == {}
    assert form_link("shop") is None
    assert webserver_here() == "http://127.0.0.1:3000"
