"""A form in a browser, as a file: no server, and nothing that it loads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from playwright.sync_api import Browser, Locator, Page, expect

import ml_pipeline as mp
from ml_pipeline.dagster.code_location import location_for
from ml_pipeline.dagster.form import form_of

_ANSWER = """sets => sets.map(([typed, asOf]) => {
  const all = new Map(model.groups.flatMap((one) => parametersIn(one.members)).map((p) => [p.dotted, p]));
  const given = new Map(typed.map(([dotted, text]) => [dotted, fromText(all.get(dotted).kind, text)]));
  const { values, problems, unknown } = resolve(model, given);
  const id = problems.size ? null : runId(model, values, asOf);
  const texts = problems.size ? {} : written(given, asOf === null ? [] : [asOf], null, id);
  return { id, problems: [...problems.values()].flatMap((one) => one.split("\\n")), unknown: [...unknown.values()], ...texts };
})"""  # noqa: E501 - a script


@dataclass(frozen=True)
class Form:
    """A page that shows a form.

    Attributes:
        complaints: what the browser complained of.
    """

    page: Page
    complaints: list[str]

    def field(self, dotted: str) -> Locator:
        """Everything around a parameter's control."""
        return self.page.locator(f'[data-name="{dotted}"]')

    def control(self, dotted: str) -> Locator:
        """The control of a parameter."""
        return self.field(dotted).locator("input, select, textarea").first

    @property
    def id(self) -> Locator:
        """The run id."""
        return self.page.locator("#id")

    def answers(self, sets: Sequence[tuple[Mapping[str, str], str | None]]) -> list[dict[str, Any]]:
        """Return what the page makes of texts by dotted name, each with a partition's key."""
        given = [[list(typed.items()), as_of] for typed, as_of in sets]
        found: list[dict[str, Any]] = self.page.evaluate(_ANSWER, given)
        return found


def written_form(
    pipeline: mp.Pipeline, partitions: dg.PartitionsDefinition[str] | None, folder: Path
) -> Path:
    """Write the form of a pipeline, with two keys of dynamic partitions."""
    location = location_for(pipeline, partitions)
    calendar = location.calendar_on(lambda _: ["b", "a"])
    file = folder / "form.html"
    file.write_text(
        form_of(location.pipeline, calendar, "toys", "http://127.0.0.1:3000"), encoding="utf-8"
    )
    return file


def opened(browser: Browser, file: Path, **options: Any) -> Form:
    """Open a form from its file, without a network."""
    context = browser.new_context(offline=True, **options)
    page, complaints = context.new_page(), list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on(
        "request",
        lambda asked: (
            None if asked.url.startswith(("file:", "data:")) else complaints.append(asked.url)
        ),
    )
    page.goto(file.as_uri())
    expect(page.locator("#id")).not_to_be_empty()
    return Form(page, complaints)


def document_in(file: Path) -> dict[str, Any]:
    """Return what a page knows."""
    text = file.read_text()
    start = text.index('id="model">') + len('id="model">')
    found: dict[str, Any] = json.loads(text[start : text.index("</script>", start)])
    return found
