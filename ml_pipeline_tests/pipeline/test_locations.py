"""One place has one spelling, and a spelling never becomes another place."""

import pytest

from ml_pipeline.pipeline.locations import normalized


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/run#2/orders.parquet",
        "gs://bucket/a#b.csv",
        "s3://bucket/q?x=1/orders.csv",
        "s3://bucket/a%20b/orders.csv",
        "s3://bucket/a b/orders.csv",
        "s3://bucket/Orders/*.csv",
        "https://host/a%20b.csv?versionId=3",
        "/data/a#b?c%20d.csv",
    ],
)
def test_keys_keep_every_character(uri: str) -> None:
    assert normalized(uri) == uri


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("S3://Bucket/a/./b/", "s3://bucket/a/b"),
        ("s3://bucket/x/../orders", "s3://bucket/orders"),
        ("file:///data/a%20b%23c.csv", "/data/a b#c.csv"),
        ("FILE://localhost/data/x/../a.csv", "/data/a.csv"),
        ("file:/data/a.csv", "/data/a.csv"),
        ("/data//a/../b.csv", "/data/b.csv"),
        (" shop ", "shop"),
    ],
)
def test_detours_are_lost(written: str, expected: str) -> None:
    assert normalized(written) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/c//d/orders.csv",
        "s3://bucket//orders.csv",
        "s3:///orders.csv",
        "https://host/a.csv#part",
        "file://server/share/a.csv",
        "file:///data/a#b.csv",
        "file:///data/a?b.csv",
        "file:///data/a%00b.csv",
        "file:///data/%ff.csv",
        "a\nb",
        " ",
    ],
)
def test_locations_that_could_be_another_place_are_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="must"):
        normalized(uri)
