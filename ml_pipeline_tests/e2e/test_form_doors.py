"""The form at hand: the launchpad that it opens, the keyboard, narrow and dark screens."""

import re
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Browser, expect

from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline_tests.e2e.dagster_ui import DagsterUi
from ml_pipeline_tests.e2e.forms import Form, opened, written_form
from ml_pipeline_tests.e2e.server import ASSETS, Server, wait_until
from ml_pipeline_tests.toys.form import MODEL, pipeline_of

pytestmark = pytest.mark.long

DAYS = dg.DailyPartitionsDefinition("1997-01-01", end_date="1998-07-01")
_FOCUSED = """() => {
  const focused = document.activeElement, style = getComputedStyle(focused);
  return [focused.id || focused.tagName, style.outlineStyle !== "none"];
}"""
_UNNAMED = """() => [...document.querySelectorAll("input, select, textarea, button, a, output")]
  .filter((one) => one.offsetParent !== null)
  .filter((one) => !(one.labels?.length || one.ariaLabel || one.getAttribute("aria-labelledby") || one.textContent.trim()))
  .map((one) => one.outerHTML)"""  # noqa: E501 - a script


def test_button_opens_the_launchpad_filled_in_and_that_launches_the_run(
    browser: Browser, server: Server, ui: DagsterUi
) -> None:
    address = f"{server.url}/ml_pipeline/form/ml_pipeline"
    told = f"A form for runs: {address}"
    wait_until(lambda: told in server.log.read_text(), 20, "the form's address")
    ui.go("/locations/ml_pipeline.definitions/jobs/run_pipeline")
    ui.page.get_by_role("link", name="A form", exact=True).click()
    form = Form(ui.page, [])
    expect(ui.page).to_have_url(address)
    expect(form.page.locator("#webserver")).to_be_hidden()
    form.control("as_of").fill("1998-03-30")
    form.control("as_of to").fill("1998-03-31")
    form.control("training.max_iter").fill("12")
    form.control("training.learning_rate").fill("1e-7")
    form.control("training.seed").fill("4294967295")
    form.control("training.model_version").fill("form")
    expect(form.page.locator("#webserver")).to_have_value(server.url)
    link = form.page.get_by_role("link", name="Open the launchpad")
    expect(link).to_have_attribute("target", "_blank")
    ids = form.page.locator("#id td").all_inner_texts()
    with ui.page.expect_popup() as shown:
        link.click()
    ui = DagsterUi(shown.value, ui.server, ui.pictures)
    editor = ui.page.locator(".CodeMirror")
    for text in ("learning_rate: 1.0e-07", "max_iter: 12", 'model_version: "form"'):
        expect(editor).to_contain_text(text)
    expect(ui.page.get_by_text("No errors")).to_be_visible()
    ui.page.get_by_role("button", name="Launch Run").click()
    launched = ui.launched_run()
    assert server.finished_run(launched)["status"] == "SUCCESS"
    made = server.materializations(launched)
    assert {(one.asset, one.partition) for one in made} == {
        (asset, day) for asset in ASSETS for day in ("1998-03-30", "1998-03-31")
    }
    listed = server.command("runs", "list", "--where", "model_version=form")["runs"]
    assert {run["run_id"] for run in listed} >= set(ids)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_form(PIPELINE, DAYS, tmp_path_factory.mktemp("form"))


def test_page_is_small_and_of_one_piece(file: Path) -> None:
    text = file.read_text()
    assert len(text.encode()) < 60_000
    assert text.count("</script>") == 2
    assert re.findall(r"""(?:src|href)=["']?(?!#|data:)[^"' >]+""", text) == []


def test_webserver_is_remembered(browser: Browser, file: Path) -> None:
    form = opened(browser, file)
    form.page.locator("#webserver").fill("https://dagster.example.com/team/")
    href = "https://dagster.example.com/team/locations/toys/jobs/run_pipeline/playground/setup?"
    expect(form.page.locator("#launch")).to_have_attribute("href", re.compile(re.escape(href)))
    form.page.reload()
    expect(form.page.locator("#webserver")).to_have_value("https://dagster.example.com/team/")
    form.page.locator("#webserver").fill("javascript:alert(1)")
    assert form.page.locator("#launch").get_attribute("href") is None


def test_form_is_filled_in_by_keyboard_alone(browser: Browser, file: Path) -> None:
    form = opened(browser, file)
    keyboard = form.page.keyboard
    wanted = str(form.control("training.learning_rate").get_attribute("id"))
    _tab_to(form, wanted)
    keyboard.press("Control+A")
    keyboard.type("0.3")
    assert form.page.evaluate(_FOCUSED) == [wanted, True]
    _tab_to(form, "launch")
    assert form.page.evaluate(_FOCUSED) == ["launch", True]
    assert form.page.evaluate(_UNNAMED) == []
    with form.page.expect_popup() as launchpad:
        keyboard.press("Enter")
    launchpad.value.close()
    assert form.page.locator("#launch").get_attribute("href") is not None


def _tab_to(form: Form, wanted: str) -> None:
    """Go on with the tabulator until something is reached."""
    for _ in range(80):
        form.page.keyboard.press("Tab")
        if form.page.evaluate("document.activeElement.id") == wanted:
            return
    raise AssertionError(f"the tabulator reaches no {wanted}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_form_fits_narrow_screens_light_and_dark(
    browser: Browser, tmp_path: Path, scheme: str
) -> None:
    screen = {"width": 360, "height": 740}
    file = written_form(pipeline_of(MODEL), DAYS, tmp_path)
    form = opened(browser, file, viewport=screen, color_scheme=scheme)
    form.control("shape.rate").fill("-1")
    form.control("shape.model").select_option(label="forest")
    assert form.page.evaluate("document.documentElement.scrollWidth") == 360
    wide = """() => [...document.querySelectorAll("body *")]
      .filter((one) => one.offsetParent && one.getBoundingClientRect().right > 360)
      .map((one) => one.outerHTML)"""
    assert form.page.evaluate(wide) == []
    ground = form.page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = sum(map(int, re.findall(r"\d+", ground))) / 3
    assert (lightness < 60) is (scheme == "dark")
    assert _contrast(form) >= 4.5
    expect(form.page.locator("#bar")).to_have_text("1 problem")
    assert form.complaints == []


def _contrast(form: Form) -> float:
    """Return the least contrast of texts and what is behind them, as WCAG reckons it."""
    worst: float = form.page.evaluate(
        """() => {
      const parts = (text) => text.match(/[\\d.]+/g).map(Number);
      const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
      function ground(one) {
        for (let at = one; at; at = at.parentElement) {
          const rgb = parts(getComputedStyle(at).backgroundColor);
          if (rgb.length < 4 || rgb[3] === 1) return light(rgb);
        }
      }
      const texts = [...document.querySelectorAll(".must, .about, .error, .mark, .fallback, label, h1, h2, p, li, pre, legend small, #bar")];
      return Math.min(...texts.filter((one) => one.offsetParent && one.textContent).map((one) => {
        const [a, b] = [light(parts(getComputedStyle(one).color)), ground(one)].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
      }));
    }"""  # noqa: E501 - a script
    )
    return worst
