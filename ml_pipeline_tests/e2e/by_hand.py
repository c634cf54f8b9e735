"""GraphQL as somebody writes it who has read the documentation of Dagster and nothing of ours."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

from ml_pipeline_tests.e2e.server import ASSETS, Server

IMPLICIT_JOB: Final = "__ASSET_JOB"
NAMED_JOB: Final = "run_pipeline"
REPOSITORY: Final = {
    "repositoryName": "__repository__",
    "repositoryLocationName": "ml_pipeline.definitions",
}

_ANSWER = """{
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on Error { message }
  }"""
_LAUNCH = f"mutation($params: ExecutionParams!) {{ launchRun(executionParams: $params) {_ANSWER} }}"
_RELAUNCH = (
    "mutation($params: ExecutionParams!)"
    f" {{ launchRun: launchRunReexecution(executionParams: $params) {_ANSWER} }}"
)


def launch(
    server: Server,
    config: Any,
    partition: str,
    job: str = IMPLICIT_JOB,
    parent: str | None = None,
) -> dict[str, Any]:
    """Launch all assets with config that nobody has looked at; return what the server says.

    Args:
        server: the webserver.
        config: run config.
        partition: the date.
        job: name of the job.
        parent: Dagster's id of a run that this one repeats, perhaps with other config.
    """
    metadata: dict[str, Any] = {"tags": [{"key": "dagster/partition", "value": partition}]}
    if parent is not None:
        metadata |= {"rootRunId": parent, "parentRunId": parent}
    selector: dict[str, Any] = {**REPOSITORY, "jobName": job}
    if job == IMPLICIT_JOB:
        selector["assetSelection"] = [{"path": [asset]} for asset in ASSETS]
    params = {"selector": selector, "runConfigData": config, "executionMetadata": metadata}
    query = _LAUNCH if parent is None else _RELAUNCH
    answer: dict[str, Any] = _post(server, query, params=params)["launchRun"]
    return answer


def said(answer: Mapping[str, Any]) -> str:
    """Return the words of an answer."""
    return "\n".join(error["message"] for error in answer.get("errors") or [answer])


def config_of(params: Any) -> dict[str, Any]:
    """Return run config with parameters."""
    return {"resources": {"params": {"config": params}}}


def _post(server: Server, query: str, **variables: Any) -> Any:
    request = urllib.request.Request(
        f"{server.url}/graphql",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)["data"]
    except urllib.error.HTTPError as error:
        return json.load(error)["data"]
