"""Runs on a Dagster webserver elsewhere: launched over GraphQL, followed event by event.

The webserver checks a run as it does one from the launchpad, so what it refuses is refused in the
same words here. Only the standard library speaks to it: Dagster's own client loses those words,
because the webserver answers a refusal with an HTTP error whose body holds them.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any, Final

import dagster as dg

from ml_pipeline.addresses import is_web, refusal
from ml_pipeline.dagster.graphql import FOLLOW, LAUNCH, REPOSITORIES
from ml_pipeline.dagster.private import IMPLICIT_JOB
from ml_pipeline.errors import LaunchRefused, RemoteError, ServerUnreachable
from ml_pipeline.invocation import typed
from ml_pipeline.launch.run_config import date_tags
from ml_pipeline.launch.run_request import RequestedRun

FAILED: Final = frozenset({"FAILURE", "CANCELED"})
_OVER: Final = FAILED | {"SUCCESS"}

_TIMEOUT_S: Final = 60
_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 2.0
_EVENTS: Final = 500
_REMEDY: Final = "Reach it through a tunnel, or a proxy that signs in"
_OURS: Final = f"{RemoteError.__module__}."
_PATIENCE: Final = 5
"""How many times in a row a webserver may fail to answer while a run is followed."""


@dataclass(frozen=True)
class Made:
    """One materialization of a run.

    Attributes:
        asset: name of the asset.
        partition: the date, or None for an asset without.
        metadata: what was recorded with it, by label.
    """

    asset: str
    partition: str | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Checked:
    """What one check has found in a run.

    Attributes:
        evaluation: what it has found.
        at: when the webserver's Dagster was told.
    """

    evaluation: dg.AssetCheckEvaluation
    at: datetime


@dataclass
class Progress:
    """What is known of a run.

    Attributes:
        status: Dagster's word for its state.
        made: its materializations so far.
        checked: what checks have found so far.
        failures: metadata of the step that failed, by label.
        errors: the reasons that it gave: of each our own error, or else the innermost.
        warnings: what its log warns of so far, such as that no worker answers.
    """

    status: str = "QUEUED"
    made: list[Made] = field(default_factory=list)
    checked: list[Checked] = field(default_factory=list)
    failures: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.status in _OVER

    @property
    def has_failed(self) -> bool:
        """Whether it ended otherwise than well."""
        return self.status in FAILED


@dataclass(frozen=True)
class Webserver:
    """A running Dagster webserver.

    Attributes:
        url: its address, without the path of GraphQL.
    """

    url: str

    def __post_init__(self) -> None:
        """Refuse what is no address of a server, and one that carries credentials.

        Raises:
            RemoteError: naming what they are.
        """
        if (problem := refusal(self.url, _REMEDY)) is not None:
            raise RemoteError(f"The address of a webserver {problem}.")
        if not is_web(self.url):
            raise ServerUnreachable(
                f"The address of a webserver must begin with http:// or https://, but is"
                f" '{self.url}'."
            )

    def address(self, dagster_run_id: str) -> str:
        """Return the address of a run's page, by its `dagster_run_id`."""
        return f"{self._base}/runs/{dagster_run_id}"

    def launch(self, run: RequestedRun, location: str | None = None) -> str:
        """Put a run into the webserver's queue.

        Args:
            run: what to launch.
            location: name of the code location; may be left out if only one has the assets.

        Returns:
            Dagster's id of the run.

        Raises:
            ServerUnreachable: if no Dagster webserver answers.
            LaunchRefused: if there is no such code location, or the webserver refuses the run.
        """
        tags = {**run.tags, **date_tags(run.dates)}
        found = self._ask(
            LAUNCH,
            params={
                "selector": {
                    **self._repository(run.assets, location),
                    "jobName": IMPLICIT_JOB,
                    "assetSelection": [{"path": path} for path in run.asset_paths],
                },
                "runConfigData": run.config,
                "executionMetadata": {
                    "tags": [{"key": key, "value": value} for key, value in tags.items()]
                },
            },
        )["launchRun"]
        if found["__typename"] == "LaunchRunSuccess":
            return str(found["run"]["runId"])
        if found["__typename"] == "UnauthorizedError":
            raise LaunchRefused(
                f"{self.url} must allow its users to launch runs, but does not: it is read-only,"
                " or wants somebody who is signed in. Nothing was launched."
            )
        messages = [error["message"] for error in found.get("errors") or [found]]
        raise LaunchRefused("\n".join(_spoken(message) for message in messages))

    def follow(
        self, dagster_run_id: str, progressed: Callable[[Progress], None] = lambda _progress: None
    ) -> Progress:
        """Wait for the end of a run.

        Args:
            dagster_run_id: Dagster's id of it.
            progressed: called whenever something has happened.

        Returns:
            How it ended.

        Raises:
            ServerUnreachable: if the webserver stops to answer.
            RemoteError: if it knows no such run.
        """
        progress = Progress()
        wait = _FIRST_WAIT_S
        for run in self._looks(dagster_run_id):
            before = progress.status
            progress.status = run["status"]
            events = run["eventConnection"]["events"]
            for event in events:
                _note(event, progress)
            if events or progress.status != before:
                progressed(progress)
                wait = _FIRST_WAIT_S
            if progress.is_over and not run["eventConnection"]["hasMore"]:
                return progress
            if not run["eventConnection"]["hasMore"]:
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT_S)
        return progress

    def _looks(self, dagster_run_id: str) -> Iterator[Any]:
        """Yield state and new events of a run, look after look, through short outages."""
        cursor, misses = None, 0
        while True:
            try:
                answer = self._ask(FOLLOW, run=dagster_run_id, cursor=cursor, limit=_EVENTS)
            except ServerUnreachable:
                misses += 1
                if misses > _PATIENCE:
                    raise
                time.sleep(_LONGEST_WAIT_S)
                continue
            misses, run = 0, answer["runOrError"]
            if "status" not in run:
                raise RemoteError(f"{self.url}: {_spoken(run['message'])}")
            cursor = run["eventConnection"]["cursor"]
            yield run

    def _repository(self, assets: Sequence[str], location: str | None) -> dict[str, str]:
        """Return how GraphQL names the code location that has all the assets."""
        found = self._ask(REPOSITORIES)["repositoriesOrError"]
        if "nodes" not in found:
            raise LaunchRefused(f"{self.url}: {_spoken(found['message'])}")
        loaded = {
            (node["location"]["name"], node["name"]): {
                "/".join(asset["assetKey"]["path"]) for asset in node["assetNodes"]
            }
            for node in found["nodes"]
        }
        fitting = [
            place
            for place, its_assets in loaded.items()
            if its_assets.issuperset(assets) and location in (None, place[0])
        ]
        if len(fitting) != 1:
            raise LaunchRefused(self._no_location(sorted(loaded), fitting, assets, location))
        ((place, repository),) = fitting
        return {"repositoryLocationName": place, "repositoryName": repository}

    def _no_location(
        self,
        loaded: Sequence[tuple[str, str]],
        fitting: Sequence[tuple[str, str]],
        assets: Sequence[str],
        location: str | None,
    ) -> str:
        wanted = f"{self.url} must have one code location with {', '.join(assets)}"
        if fitting:
            names = ", ".join(place for place, _ in fitting)
            return f"{wanted}, but has {names}. Choose one with --location."
        names = ", ".join(place for place, _ in loaded) or "none that has loaded"
        if location is not None and location not in {place for place, _ in loaded}:
            return f"{self.url} must have the code location '{location}', but has {names}."
        return f"{wanted}, but has {names}. Its Deployment page tells why one has not loaded."

    @property
    def _base(self) -> str:
        return self.url.rstrip("/")

    def _ask(self, query: str, **variables: Any) -> Any:
        """Return the data of an answer."""
        request = urllib.request.Request(  # noqa: S310 - only http and https are addresses
            f"{self._base}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as reply:  # noqa: S310
                body = reply.read()
        except urllib.error.HTTPError as error:
            # A refusal comes as an error of the server with the answer in its body.
            with error:
                body = error.read()
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ServerUnreachable(
                f"A Dagster webserver must answer at {self.url}, but none can be reached:"
                f" {reason}. `{typed('ui')}` starts one; --url names another."
            ) from error
        try:
            answer = json.loads(body)
            data = answer["data"]
        except (ValueError, TypeError, KeyError) as error:
            raise ServerUnreachable(
                f"A Dagster webserver must answer at {self.url}, but something else does:"
                f" {body[:80].decode(errors='replace')!r}."
            ) from error
        if answer.get("errors"):
            raise RemoteError(
                f"{self.url} must speak the GraphQL of Dagster 1.13, but says:"
                f" {answer['errors'][0].get('message')}"
            )
        return data


def _note(event: Mapping[str, Any], progress: Progress) -> None:
    if event["__typename"] == "MaterializationEvent":
        asset = "/".join(event["assetKey"]["path"])
        metadata = _values(event["metadataEntries"])
        progress.made.append(Made(asset, event["partition"], metadata))
    if event.get("level") == "WARNING":
        progress.warnings.append(event["message"])
    if found := event.get("evaluation"):
        evaluation = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(found["assetKey"]["path"]),
            check_name=found["checkName"],
            passed=found["success"],
            severity=dg.AssetCheckSeverity(found["severity"]),
            description=found["description"],
            partition=found["partition"],
            metadata=_values(found["metadataEntries"]),
        )
        at = datetime.fromtimestamp(found["timestamp"], UTC)
        progress.checked.append(Checked(evaluation, at))
    if failed := event.get("failureMetadata"):
        progress.failures.update(_values(failed["metadataEntries"]))
    if error := event.get("error"):
        chain = [cause["message"] for cause in (error, *error["causes"])]
        ours = [message for message in chain if message.startswith(_OURS)]
        progress.errors.append(_spoken((ours or chain[-1:])[0]))


def _values(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = {}
    for entry in entries:
        for kind, value in entry.items():
            if kind == "table":
                values[entry["label"]] = [json.loads(record) for record in value["records"]]
            elif kind != "label":
                values[entry["label"]] = json.loads(value) if kind == "jsonString" else value
    return values


def _spoken(message: str) -> str:
    """Return what an error says, without the class that Dagster puts before it."""
    text = message.strip()
    name, colon, said = text.partition(": ")
    is_class = colon and "." in name and name.replace(".", "").replace("_", "").isalnum()
    return said if is_class else text
