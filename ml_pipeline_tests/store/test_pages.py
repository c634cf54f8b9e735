import json
import re
from typing import Any

import pytest

from ml_pipeline.errors import ArtifactDamaged
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.copies import copy_artifact
from ml_pipeline.store.housekeeping import verify
from ml_pipeline_tests.toys.shelf import SLOT, publish

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><title>é &amp; "b"</title></svg>'
PICTURES = {'roc "<script>"': SVG, "b": "<svg>2</svg>"}
PLACE = SLOT.revision("r1")


def test_pictures_are_one_page_beside_the_record_and_come_back(store: ArtifactStore) -> None:
    record = publish(store, "r1", {"a": 1}, pictures=PICTURES).record
    assert record.pictures is not None
    assert record.picture is None
    assert store.pictures(PLACE, record) == PICTURES
    assert list(store.pictures(PLACE, record)) == list(PICTURES)
    page = (store.read(f"{PLACE}/{record.pictures.file}") or b"").decode()
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert page.count("<img ") == 2
    assert len(store.read(f"{PLACE}/record.json") or b"") < 2_000
    assert publish(store, "r2", {"a": 1}).record.pictures is None
    assert store.pictures(SLOT.revision("r2"), publish(store, "r2", {"a": 1}).record) == {}


def test_pictures_of_a_writer_that_died_stay_beside_those_published(store: ArtifactStore) -> None:
    store.overwrite(f"{PLACE}/pictures.html", b"of another")
    record = publish(store, "r1", {"a": 1}, pictures=PICTURES).record
    assert record.pictures is not None
    assert re.fullmatch(r"pictures-[0-9a-f]{32}\.html", record.pictures.file)
    assert store.pictures(PLACE, record) == PICTURES


def test_record_with_a_picture_of_its_own_is_read_as_before(store: ArtifactStore) -> None:
    new = publish(store, "r1", {"a": 1}, picture=SVG).record
    fields: dict[str, Any] = json.loads(new.to_json())
    del fields["pictures"], fields["seal"]
    store.overwrite(f"{PLACE}/record.json", json.dumps(fields).encode())
    old = store.find(SLOT, "r1")
    assert old is not None
    assert store.pictures(PLACE, old) == {"picture": SVG}
    assert [checked.problem for checked in verify(store, ["table"])] == [None]


@pytest.mark.parametrize("harm", ["remove", "overwrite"])
def test_pictures_that_are_damaged_harm_no_value_and_are_told_of(
    store: ArtifactStore, tmp_path_factory: pytest.TempPathFactory, harm: str
) -> None:
    record = publish(store, "r1", {"a": 1}, pictures=PICTURES).record
    other = ArtifactStore(str(tmp_path_factory.mktemp("sound")))
    copy_artifact(store, other, PLACE)
    assert other.pictures(PLACE, record) == PICTURES
    if harm == "remove":
        store.remove(f"{PLACE}/pictures.html")
    else:
        store.overwrite(f"{PLACE}/pictures.html", b"<html>")
    with pytest.raises(ArtifactDamaged, match=r"pictures\.html must"):
        store.pictures(PLACE, record)
    assert store.find(SLOT, "r1") == record
    assert store.load(SLOT, record) == {"a": 1}
    (checked,) = verify(store, ["table"])
    assert "pictures.html must" in str(checked.problem)
    third = ArtifactStore(str(tmp_path_factory.mktemp("third")))
    assert copy_artifact(store, third, PLACE) == record
    assert third.load(SLOT, record) == {"a": 1}
