"""What promoting or going back came to, for people and as JSON."""

from typing import Any

from ml_pipeline.cli.tables import print_table, say
from ml_pipeline.invocation import typed
from ml_pipeline.runs.promotion import Promoted
from ml_pipeline.store.ledger import CHAMPION
from ml_pipeline.text import counted


def promoted_document(done: Promoted) -> dict[str, Any]:
    """Return what promoting came to as a JSON document."""
    before = done.before
    return {
        "is_new": done.is_new,
        "checked": done.checked,
        "copied": done.copied,
        "now": done.now.model_dump(mode="json"),
        "before": before.model_dump(mode="json") if before is not None else None,
    }


def print_promoted(done: Promoted, environment: str | None) -> None:
    """Print what promoting came to, and how to go back.

    Args:
        done: what it came to.
        environment: whose store it is in, where environments are configured.
    """
    now, before = done.now, done.before
    if before is None or not done.is_new:
        print_table(["metric", "now"], list(now.metrics.items()))
    else:
        names = dict.fromkeys([*now.metrics, *before.metrics])
        print_table(
            ["metric", f"before: {before.run_id}", f"now: {now.run_id}"],
            [[name, before.metrics.get(name, ""), now.metrics.get(name, "")] for name in names],
        )
    say()
    what = f"run {now.run_id}{f' of {now.as_of}' if now.as_of else ''}"
    if not done.is_new:
        say(f"'{now.line}' has {what} since {now.at:%Y-%m-%d %H:%M} UTC already. Nothing is added.")
        return
    copied = f", {done.copied} of them copied" if done.copied else ""
    say(f"'{now.line}' has {what} now; {counted(done.checked, 'artifact')} checked{copied}.")
    if now.forced:
        say(f"In spite of this: {'; '.join(now.forced)}.")
    if before is None:
        return
    alias = f" --alias {now.alias}" if now.alias != CHAMPION else ""
    if now.restores is None:
        back = typed(f"rollback --to {now.environment}{alias}")
        say(f"`{back}` goes back to {before.run_id}.")
    else:
        at = f"@{now.environment}" if environment is not None else ""
        run = f"{before.run_id}/{before.revision}{at}"
        say(f"`{typed(f'promote {run} --to {now.environment}{alias}')}` goes forward again.")
