from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.dagster.launchpad import launchpad_link
from ml_pipeline.launch.names import JOB, names_of
from ml_pipeline_tests.toys import sweeps as toy
from ml_pipeline_tests.toys.cells import days

NAMES = names_of(toy.PIPELINE)

SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), SCALARS | st.lists(SCALARS)))
def test_link_carries_values_that_come_back_the_same(values: dict[str, object]) -> None:
    link = launchpad_link(NAMES, "http://host:1", "loc", {"fit": values, "none": {}}, days(1))
    config = yaml.safe_load(parse_qs(urlsplit(link).query)["config"][0])
    found = config["resources"]["params"]["config"]
    assert found == ({"fit": values} if values else {})


@pytest.mark.parametrize(
    ("dates", "tags"),
    [
        ([None], []),
        ([], []),
        (days(1), [("dagster/partition", "2026-01-05")]),
        (
            [*days(2), date(2026, 2, 1)],
            [
                ("dagster/asset_partition_range_start", "2026-01-05"),
                ("dagster/asset_partition_range_end", "2026-02-01"),
            ],
        ),
    ],
)
def test_link_tells_dates_as_tags(dates: list[date | None], tags: list[tuple[str, str]]) -> None:
    asked = parse_qs(urlsplit(launchpad_link(NAMES, "http://host:1", "loc", {}, dates)).query)
    found = [
        (asked[f"tags[{place}][key]"][0], asked[f"tags[{place}][value]"][0])
        for place in range(len(tags))
    ]
    assert found == tags
    assert f"tags[{len(tags)}][key]" not in asked


def test_link_without_a_host_is_a_path_on_the_page_that_shows_it() -> None:
    link = launchpad_link(NAMES, "", "my code", {}, days(1))
    assert link.startswith(f"/locations/my%20code/jobs/{JOB}/playground/setup?")
