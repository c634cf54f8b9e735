"""The form of a pipeline in a browser: its ids are Python's, and it says so where it knows none."""

import random
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from playwright.sync_api import Browser, expect

import ml_pipeline as mp
from ml_pipeline.cli.request import typed_params
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.params.as_of import as_of_from_key
from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.e2e.forms import Form, document_in, opened, written_form
from ml_pipeline_tests.toys.form import MODEL, WITH_CODE, pipeline_of, somebody_types

pytestmark = pytest.mark.long

TABLES = """
environment = "dev"
writable = ["dev", "prod"]
[environments.dev]
[environments.prod]
store = "prod"
params = { training = { learning_rate = 0.3 } }
[environments.old]
store = "old"
"""

DAYS = dg.DailyPartitionsDefinition("1997-01-01", end_date="1998-07-01")


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture(scope="module")
def reference(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Form]:
    form = opened(browser, written_form(PIPELINE, DAYS, tmp_path_factory.mktemp("reference")))
    yield form
    assert form.complaints == []


@pytest.fixture(scope="module", params=["declared", "with code"])
def kinds(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[Form, mp.ParamModel]]:
    model = MODEL if request.param == "declared" else WITH_CODE
    file = written_form(pipeline_of(model), None, tmp_path_factory.mktemp("kinds"))
    form = opened(browser, file)
    yield form, model
    assert form.complaints == []


def python_of(
    model: mp.ParamModel, typed: dict[str, Any], as_of: str | None
) -> tuple[str | None, set[str]]:
    """Return the run id of typed values, or what is wrong with them."""
    try:
        params = model.parse(typed)
    except mp.ParamsError as error:
        return None, set(error.problems)
    key = None if as_of is None else as_of_from_key(as_of)
    return mp.run_id(params.identity_values(model.scope), key), set()


def read_back(model: mp.ParamModel, command: str) -> tuple[dict[str, str], list[str]]:
    """Return the parameters that a shell gives a command, and its other words."""
    words = shlex.split(command.replace("\\\n", " "))
    problems: list[str] = []
    values = [words[at + 1] for at, word in enumerate(words) if word == "--param"]
    typed = typed_params(model, values, problems)
    assert problems == []
    return typed, [word for word in words if word not in ("--param", *values)]


def test_page_has_the_golden_ids(reference: Form) -> None:
    typed = [
        ({}, "162ad1ceb5bd28a1"),
        ({"training.learning_rate": "0.3"}, "f9fcffdb59b664ee"),
        ({"training.learning_rate": "3e-1", "features.horizon_days": "1"}, "f9fcffdb59b664ee"),
    ]
    answers = reference.answers([(values, "1998-05-31") for values, _ in typed])
    assert [answer["id"] for answer in answers] == [run_id for _, run_id in typed]


def test_page_and_python_agree_on_random_sets(kinds: tuple[Form, mp.ParamModel]) -> None:
    form, model = kinds
    chance = random.Random(14)
    keys = (None, "1998-05-31", "é|\U0001f600")
    sets = [(somebody_types(model, chance), chance.choice(keys)) for _ in range(700)]
    known = 0
    for (typed, as_of), answer in zip(sets, form.answers(sets), strict=True):
        run_id, problems = python_of(model, typed, as_of)
        told = set(answer["problems"])
        if answer["unknown"]:
            assert told <= problems, typed
            assert answer["id"] in (None, run_id), typed
            continue
        assert (answer["id"], told) == (run_id, problems), typed
        known += answer["id"] is not None
        if answer["id"] is not None:
            _assert_written_asks_for_it(model, answer, as_of)
    assert known > 100


def _assert_written_asks_for_it(
    model: mp.ParamModel, answer: dict[str, Any], as_of: str | None
) -> None:
    """What is to be copied, pasted or kept asks for the same run."""
    config = yaml.safe_load(answer["config"])
    asked = config["resources"]["params"]["config"] if config else {}
    content = mp.read_document(answer["content"].encode(), answer["file"])
    typed, others = read_back(model, answer["command"])
    is_whole = "--params-file" not in others
    for values in (asked, content, *([typed] if is_whole else [])):
        assert python_of(model, values, as_of)[0] == answer["id"], answer
    assert others[:2] == ["ml-pipeline", "run"]
    assert as_of is None or others[2:4] == ["--as-of", as_of]


def test_reference_pipeline_and_page_agree_on_random_sets(reference: Form) -> None:
    chance = random.Random(15)
    model = PIPELINE.params
    sets = [(somebody_types(model, chance), "1998-05-31") for _ in range(300)]
    for (typed, as_of), answer in zip(sets, reference.answers(sets), strict=True):
        run_id, problems = python_of(model, typed, as_of)
        if not answer["unknown"]:
            assert (answer["id"], set(answer["problems"])) == (run_id, problems), typed
        else:
            assert answer["id"] is None, typed


def test_field_tells_what_is_wrong_as_one_types_and_goes_back(reference: Form) -> None:
    rate, depth = "training.learning_rate", "training.max_depth"
    reference.control(rate).fill("1.5")
    error = f"{rate} must be number > 0 and <= 1, but got '1.5'"
    expect(reference.field(rate).locator(".error")).to_have_text(error)
    expect(reference.control(rate)).to_have_attribute("aria-invalid", "true")
    expect(reference.page.locator("#problems li")).to_have_text([error])
    expect(reference.id).to_have_text("none yet")
    expect(reference.page.get_by_role("button", name="Copy the command")).to_be_disabled()
    assert reference.page.locator("#launch").get_attribute("href") is None

    reference.control(rate).fill("0.3")
    reference.control(depth).fill("9")
    expect(reference.field(depth)).to_have_class("field changed")
    reference.page.get_by_role("button", name=f"Reset {depth}").click()
    expect(reference.control(depth)).to_be_focused()
    expect(reference.control(depth)).to_have_value("3")
    reference.control("as_of").fill("1998-05-31")
    expect(reference.id).to_have_text("f9fcffdb59b664ee")
    expect(reference.page.locator("#command")).to_have_text(
        "ml-pipeline run \\\n    --as-of 1998-05-31 \\\n    --param learning_rate=0.3"
    )
    expect(reference.page.locator("#yaml")).to_have_text(
        "resources:\n  params:\n    config:\n      training:\n        learning_rate: 0.3\n"
    )
    reference.page.get_by_role("button", name="Reset training.learning_rate").click()
    expect(reference.id).to_have_text("162ad1ceb5bd28a1")


def test_field_shows_what_a_choice_fills_in_and_rules_are_kept(reference: Form) -> None:
    horizon = reference.control("features.horizon_days")
    expect(horizon).to_have_attribute("placeholder", "1, by data.dataset")
    reference.control("data.dataset").select_option(label="customers")
    expect(horizon).to_have_attribute("placeholder", "30, by data.dataset")
    reference.control("training.holdout_days").fill("20")
    error = (
        "training: `holdout_days >= horizon_days` must hold, but got (holdout_days=20,"
        " horizon_days=30)"
    )
    expect(reference.page.locator("#problems li")).to_have_text([error])
    for dotted in ("training.holdout_days", "data.dataset"):
        reference.page.get_by_role("button", name=f"Reset {dotted}").click()


def test_id_that_only_python_knows_is_not_shown(reference: Form) -> None:
    reference.control("data.source").fill("data/../orders.csv")
    expect(reference.id).to_have_text("not known here")
    expect(reference.page.locator("#notes li")).to_have_text(
        ["data.source: code of the pipeline says what it becomes"]
    )
    expect(reference.page.locator("#why code")).to_contain_text("ml-pipeline id --as-of")
    expect(reference.page.locator("#command")).to_contain_text("--param source=data/../orders.csv")
    reference.page.get_by_role("button", name="Reset data.source").click()


def test_range_shows_an_id_for_each_date(reference: Form) -> None:
    reference.control("as_of").fill("1998-05-30")
    reference.control("as_of to").fill("1998-06-01")
    rows = reference.page.locator("#id tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_have_text("1998-05-31162ad1ceb5bd28a1")
    expect(reference.page.locator("#command")).to_have_text(
        "ml-pipeline run \\\n    --from 1998-05-30 \\\n    --to 1998-06-01"
    )
    reference.control("as_of to").fill("1998-07-09")
    error = "as_of to must be a day from 1997-01-01 to 1998-06-30, but got 1998-07-09"
    expect(reference.page.locator("#problems li")).to_have_text([error])
    reference.control("as_of to").fill("1998-05-01")
    error = "as_of must not be after its last, but got 1998-05-30 and 1998-05-01"
    expect(reference.page.locator("#problems li")).to_have_text([error])
    reference.control("as_of to").fill("")
    reference.control("as_of").fill("1998-05-31")


def test_every_kind_has_its_control_and_text_is_text(kinds: tuple[Form, mp.ParamModel]) -> None:
    form, model = kinds
    controls = {
        "data.dataset": "select",
        "data.first": "input[type=date]",
        "data.token": "input[type=text]",
        "shape.window": "input[type=number]",
        "shape.rate": "input[type=number][step=any]",
        "shape.label": "input[type=text]",
        "shape.note": "textarea",
        "shape.either": "select",
        "shape.fast": "input[type=checkbox]",
        "shape.slow": "select",
        "shape.color": "select",
        "shape.tree.depth": "input[type=number][min='1'][max='8']",
        "shape.model": "select",
        "shape.weights": "textarea",
        "shape.limits": "textarea",
        "shape.place": "input[type=text]",
    }
    for dotted, selector in controls.items():
        expect(form.field(dotted).locator(selector).first).to_be_visible()
        expect(form.field(dotted)).to_have_class("field")
    about = form.field("data.dataset").locator(".about")
    expect(about).to_have_text("ends no script: </script><!-- <b>")
    expect(form.page.locator("legend small").first).to_have_text(
        'What is read; "</script>" & <b> are text.'
    )
    assert form.page.locator("#form b, #form script").count() == 0
    run_id = python_of(model, {}, None)[0]
    expect(form.id).to_have_text(str(run_id))


def test_typed_values_of_every_control_are_those_of_python(
    kinds: tuple[Form, mp.ParamModel],
) -> None:
    form, model = kinds
    form.control("shape.model").select_option(label="forest")
    inner = form.field("shape.model").get_by_label("size")
    inner.fill("12")
    form.control("shape.fast").check()
    form.control("shape.color").select_option(label="blue")
    form.control("shape.weights").fill("0.5\n1e-7\n")
    form.control("shape.names").fill("z\n\U0001f600\n\uffff")
    form.control("shape.limits").fill('{"b": 10000000000000000000000, "a": 0}')
    form.control("shape.window").fill("1000000000000000000000001")
    form.control("shape.rate").fill("1e-7")
    form.control("data.until").fill("2001-02-03")
    expected = {
        "shape": {
            "model": {"kind": "forest", "size": 12},
            "fast": True,
            "color": "blue",
            "weights": [0.5, 1e-7],
            "names": ["z", "\U0001f600", "\uffff"],
            "limits": {"b": 10**22, "a": 0},
            "window": 10**24 + 1,
            "rate": 1e-7,
        },
        "data": {"until": "2001-02-03"},
    }
    run_id = python_of(model, expected, None)[0]
    shown = "not known here" if model is WITH_CODE else str(run_id)
    expect(form.id).to_have_text(shown)
    config = yaml.safe_load(form.page.locator("#yaml").inner_text())
    assert python_of(model, config["resources"]["params"]["config"], None)[0] == run_id
    typed, _ = read_back(model, form.page.locator("#command").inner_text())
    assert python_of(model, typed, None)[0] == run_id
    with form.page.expect_download() as download:
        form.page.get_by_text("Download a parameter file").click()
    content = mp.read_document(download.value.path().read_bytes(), "params.yaml")
    assert python_of(model, content, None)[0] == run_id
    inner.fill("0")
    error = "shape.model.size must be integer >= 1, but got '0'"
    expect(form.field("shape.model").locator(".error")).to_have_text(error)
    form.page.reload()


@pytest.mark.parametrize(
    ("partitions", "keys", "shown"),
    [
        (dg.WeeklyPartitionsDefinition("2025-01-05", end_date="2025-03-01"), ["2025-01-12"], 3),
        (dg.StaticPartitionsDefinition(["b", "a c", "|d"]), ["b"], 3),
        (
            dg.MultiPartitionsDefinition(
                {
                    "day": dg.DailyPartitionsDefinition("2025-01-01", end_date="2025-01-10"),
                    "shop": dg.StaticPartitionsDefinition(["north", "south", "west"]),
                }
            ),
            ["2025-01-02", "north"],
            9,
        ),
    ],
    ids=["weekly", "static", "multi"],
)
def test_partitions_of_every_kind_have_their_ids(
    browser: Browser,
    tmp_path: Path,
    partitions: dg.PartitionsDefinition[str],
    keys: list[str],
    shown: int,
) -> None:
    form = opened(browser, written_form(pipeline_of(MODEL), partitions, tmp_path))
    names = [axis["name"] for axis in document_in(tmp_path / "form.html")["dates"]]
    names = names if len(names) > 1 else ["as_of"]

    def choose(name: str, key: str) -> None:
        control = form.control(name)
        is_select = control.evaluate("one => one.tagName") == "SELECT"
        control.select_option(key) if is_select else control.fill(key)

    for name, key in zip(names, keys, strict=True):
        choose(name, key)
    expect(form.id).to_have_text(str(python_of(MODEL, {}, "|".join(keys))[0]))
    for name, first in zip(names, keys, strict=True):
        known = partitions.get_partition_keys()
        if len(names) > 1:
            known = sorted({key.split("|")[names.index(name)] for key in known})
        choose(f"{name} to", known[known.index(first) + 2])
    expect(form.page.locator("#id tr")).to_have_count(shown)
    key, run_id = form.page.locator("#id tr").last.locator("th, td").all_inner_texts()
    assert run_id == python_of(MODEL, {}, key)[0]
    assert key in partitions.get_partition_keys()
    assert form.complaints == []


def test_dynamic_partitions_take_keys_that_come_later(browser: Browser, tmp_path: Path) -> None:
    shops = dg.DynamicPartitionsDefinition(name="shops")
    form = opened(browser, written_form(pipeline_of(MODEL), shops, tmp_path))
    expect(form.page.locator("#problems li")).to_have_count(1)
    form.control("as_of").fill("it's new")
    expect(form.id).to_have_text(str(python_of(MODEL, {}, "it's new")[0]))
    expect(form.page.locator("#command")).to_contain_text("""--as-of 'it'"'"'s new'""")
    form.control("as_of to").fill("z")
    expect(form.id).to_have_text("not known here")
    form.control("as_of").fill("b")
    form.control("as_of to").fill("a")
    expect(form.page.locator("#id th")).to_have_text(["b", "a"])


def test_environment_brings_its_standing_parameters(
    browser: Browser, tmp_path: Path, cli: CommandLine
) -> None:
    (tmp_path / ".ml_pipeline").mkdir()
    (tmp_path / ".ml_pipeline" / "settings.toml").write_text(TABLES)
    assert cli("form", "--out", "page.html", "--url", "http://there:1").code == 0
    form = opened(browser, tmp_path / "page.html")
    expect(form.page.locator("#webserver")).to_have_value("http://there:1")
    expect(form.control("run.environment").locator("option")).to_have_text(["dev", "prod"])
    form.control("as_of").fill("1998-05-31")
    expect(form.id).to_have_text("162ad1ceb5bd28a1")
    form.control("run.environment").select_option("prod")
    rate = "training.learning_rate"
    expect(form.control(rate)).to_have_value("0.3")
    expect(form.field(rate)).to_have_class("field")
    expect(form.id).to_have_text("f9fcffdb59b664ee")
    command = form.page.locator("#command")
    expect(command).to_have_text(
        "ml-pipeline run \\\n    --as-of 1998-05-31 \\\n    --environment prod"
    )
    typed = shlex.split(command.inner_text().replace("\\\n", " "))[2:]
    assert cli("id", "--json", *typed).document["run_id"] == "f9fcffdb59b664ee"
    form.control(rate).fill("0.1")
    expect(form.id).to_have_text("162ad1ceb5bd28a1")
    config = yaml.safe_load(form.page.locator("#yaml").inner_text())
    assert config["resources"]["params"]["config"] == {
        "run": {"environment": "prod"},
        "training": {"learning_rate": 0.1},
    }
    assert form.complaints == []
