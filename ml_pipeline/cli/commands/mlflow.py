"""`ml-pipeline mlflow`: what MLflow has been told of results, and what still waits."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ml_pipeline.cli.environments import environment_option
from ml_pipeline.cli.show import print_json, progress_of
from ml_pipeline.cli.tables import say
from ml_pipeline.errors import QueryError, ServerUnreachable
from ml_pipeline.settings import settings
from ml_pipeline.text import counted
from ml_pipeline.tracking.mlflow.sending import QUIET, is_sent_by_somebody, outbox_of, unreachable
from ml_pipeline.tracking.outbox import Outbox
from ml_pipeline.tracking.switched_on import mlflow_uri

_LONGEST_WAIT_S = 120.0
_OFF = "Nothing is told to MLflow: set mlflow_tracking_uri in settings.toml to its address."


@click.group(name="mlflow")
def command() -> None:
    """Send what MLflow has not been told of yet, or tell how much that is."""


@command.command()
@environment_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(environment: str | None, as_json: bool) -> None:
    """Tell what waits to be sent, and what was refused."""
    uri = _uri(environment)
    if uri is None:
        if as_json:
            print_json({"tracking_uri": None})
        else:
            say(_OFF)
        return
    outbox = outbox_of(uri)
    document = _document(uri, outbox)
    if as_json:
        print_json(document)
        return
    say(f"MLflow: {uri}")
    being_sent = ", being sent now" if document["being_sent"] else ""
    say(f"Waiting: {counted(document['waiting'], 'note')}{being_sent}, in {outbox.folder}")
    if document["problem"] is not None:
        say(f"Last problem, {document['last_attempt']}: {document['problem']}")
    for name, reason in document["refused"].items():
        say(f"Refused: {name}: {reason}")
    if document["refused"]:
        say("`ml-pipeline mlflow sync --refused` sends these again.")
    for name, count in _waiting_elsewhere(uri).items():
        say(f"In {name}, {counted(count, 'note')} for another server: `--environment {name}`")


@command.command()
@environment_option
@click.option("--refused", is_flag=True, help="Send what was refused once more, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def sync(environment: str | None, refused: bool, as_json: bool) -> int:
    """Send all that waits, and wait for it; what was sent before is not sent twice."""
    uri = _uri(environment)
    if uri is None:
        raise QueryError([f"there must be an MLflow server to send to. {_OFF}"])
    if (problem := unreachable(uri)) is not None:
        raise ServerUnreachable(
            f"MLflow must be reachable at {uri}, but {problem}. What waits stays; start the server,"
            " and send again."
        )
    outbox = outbox_of(uri)
    if refused:
        outbox.retry()
    sent, put_aside, problem = _sent(outbox, uri)
    if as_json:
        print_json({"sent": sent, "refused_now": put_aside, **_document(uri, outbox)})
    else:
        say(f"{counted(sent, 'note')} sent to {uri}.")
        if put_aside:
            say(f"{put_aside} refused: `ml-pipeline mlflow status` says why.", err=True)
    if problem is not None:
        raise ServerUnreachable(
            f"MLflow at {uri} must take what it is sent, but says: {problem.rstrip('.')}. What"
            " waits stays; send again."
        )
    return 1 if put_aside else 0


def _uri(environment: str | None) -> str | None:
    """Return the address of an environment's server; None where nobody is told.

    Raises:
        QueryError: if none of that name is configured.
    """
    if (problem := settings().environments.unknown(environment)) is not None:
        raise QueryError([f"--environment {problem}"])
    return mlflow_uri(environment)


def _waiting_elsewhere(uri: str) -> dict[str, int]:
    """Return how many notes wait for other servers, by the first environment that has each."""
    found = {uri: ""}
    for name in settings().environments.configured:
        if (other := mlflow_uri(name)) is not None:
            found.setdefault(other, name)
    waiting = {name: len(outbox_of(other).waiting()) for other, name in found.items() if name}
    return {name: count for name, count in waiting.items() if count}


def _sent(outbox: Outbox, uri: str) -> tuple[int, int, str | None]:
    """Send what waits, after whoever is sending now."""
    import filelock

    os.environ.update(QUIET)
    from ml_pipeline.tracking.mlflow.sender import Sender

    if not outbox.waiting():
        return 0, 0, None
    with progress_of("waiting for another process that sends") as bar:
        try:
            done = Sender(outbox, uri, _LONGEST_WAIT_S).send(
                lambda sent, left: bar.show(sent, sent + left, "sending")
            )
        except filelock.Timeout:
            return 0, 0, "another process has been sending for long"
    return done.sent, done.refused, done.problem


def _document(uri: str, outbox: Outbox) -> dict[str, Any]:
    at, problem = outbox.told()
    waiting = len(outbox.waiting())
    return {
        "tracking_uri": uri,
        "folder": str(outbox.folder),
        "waiting": waiting,
        "being_sent": waiting > 0 and is_sent_by_somebody(outbox),
        "last_attempt": datetime.fromtimestamp(at, UTC).isoformat(" ", "seconds") if at else None,
        "problem": problem,
        "refused": {_name(file): reason for file, reason in outbox.refused().items()},
    }


def _name(file: Path) -> str:
    return file.name
