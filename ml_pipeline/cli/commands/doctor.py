"""`ml-pipeline doctor`: whether everything that a run needs is there, and what to do."""

import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import Final

import click

from ml_pipeline.cli.environments import checked_environments
from ml_pipeline.cli.health.finding import Check, Finding, asked
from ml_pipeline.cli.project import Project, project
from ml_pipeline.cli.show import print_json, progress_of
from ml_pipeline.cli.tables import say
from ml_pipeline.environments import Environment
from ml_pipeline.errors import MlPipelineError
from ml_pipeline.text import counted

_WITHIN_S: Final = 12.0
_MARKS: Final = {"ok": "ok     ", "warning": "warning", "problem": "problem"}


@click.command(name="doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool) -> int:
    """Look at instance, store, index, databases, workers, clock, versions and disk.

    Each line says how something is, and what to do. The exit code is 1 where there is a problem;
    nothing is launched.
    """
    # Threads that import it at the same time find it half made: it imports itself in circles.
    import sqlalchemy.orm  # noqa: F401

    from ml_pipeline.cli.health import machine

    checks: dict[str, Check] = {"versions": machine.versions}
    found: list[Finding] = []
    try:
        served = project()
        checks |= _of_settings(served)
    except MlPipelineError as error:
        # What is set says where everything else is.
        found = [Finding("settings", "problem", str(error))]
    with progress_of("looking"):
        found += asked(checks, _WITHIN_S)
    problems = sum(one.level == "problem" for one in found)
    if as_json:
        told = [dataclasses.asdict(one) for one in found]
        print_json({"problems": problems, "findings": told})
        return int(bool(problems))
    for one in found:
        say(f"{_MARKS[one.level]}  {one.check}: {one.found.rstrip('.')}. {one.remedy}".rstrip())
    warnings = sum(one.level == "warning" for one in found)
    fine = len(found) - problems - warnings
    say(f"\n{counted(problems, 'problem')}, {counted(warnings, 'warning')}, {fine} ok.")
    return int(bool(problems))


def _of_settings(served: Project) -> dict[str, Check]:
    from ml_pipeline.cli.health import kept, machine, parameters, running

    own, known = served.settings, served.settings.environments
    here: list[Environment] = [known[name] for name in known.configured] or [known.base]
    # Made before anything is asked: what is loaded once should not be loaded by many at a time.
    roots = [served.location.store_root(one) for one in here]

    def settings() -> Iterator[Finding]:
        if served.runs_pipeline:
            checked_environments()
        named = ", ".join(known.configured) or "no environments"
        yield Finding("settings", "ok", f"{own.home} with {named}")

    checks: dict[str, Check] = {
        "settings": settings,
        "instance": partial(running.instance, own),
        "executor": partial(running.executor, own),
        "scheduler": partial(running.scheduler, own),
        "disk": partial(machine.disks, own, [root for root in roots if "://" not in root]),
    }
    for one in here:
        per_environment = {"store": kept.store}
        is_written = known.refusal(one.name or None) is None
        if is_written:
            per_environment |= {"index": kept.index, "studies": kept.studies}
        if is_written and served.runs_pipeline:
            per_environment |= {"sources": parameters.sources, "secrets": parameters.secrets}
        for name, check in per_environment.items():
            checks[f"{name} {one.name}".strip()] = partial(check, served, one)
    return checks
