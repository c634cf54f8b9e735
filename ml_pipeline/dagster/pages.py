"""Pages beside Dagster's own on the webserver of `ml-pipeline ui`: forms, pictures, reports.

Browsers follow no link from a page of a server to a file. So the webserver has these as pages of
its own, and whoever describes jobs and assets links them where a variable says that it does. Links
have no host: they lead to the webserver that shows them, behind a tunnel or a proxy as well.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import dagster as dg

from ml_pipeline.dagster.launchpad import WEBSERVER
from ml_pipeline.invocation import PAGES_VARIABLE

FORM: Final = "/ml_pipeline/form"
PAGE: Final = "/ml_pipeline/page"
OPEN: Final = "open"
"""Name of the metadata that links pages."""

_SHOWN: Final = re.compile(
    r"[^\0]+/run=[^/\0]+/rev=[^/\0]+/pictures(-[0-9a-f]+)?\.html|\.reports/[^/\0]+/[^/\0]+\.html"
)
"""What of a store is a page for people: what stages have drawn, and reports."""


def variables_of(
    webserver: str, forms: Mapping[str, Path], stores: Iterable[Path]
) -> dict[str, str]:
    """Return the variables that let processes know which pages there are.

    Args:
        webserver: where it answers.
        forms: files of forms by name of their pipeline.
        stores: directories of stores.
    """
    known = {
        "webserver": webserver,
        "forms": {name: str(file) for name, file in forms.items()},
        "stores": {_key(directory): str(directory) for directory in stores},
    }
    return {PAGES_VARIABLE: json.dumps(known)}


def form_link(pipeline: str, variables: Mapping[str, str] = os.environ) -> str | None:
    """Return the link to the form of a pipeline, where a webserver has it.

    Args:
        pipeline: its name.
        variables: those of the webserver.
    """
    return f"{FORM}/{quote(pipeline)}" if pipeline in _known("forms", variables) else None


def page_links(directory: Path | None, **paths: str) -> dict[str, dg.MetadataValue[Any]]:
    """Return metadata that links pages of a store; nothing where no webserver has them.

    Args:
        directory: of the store; None for one of objects.
        **paths: of the pages below it, by what they are called.
    """
    if directory is None or _key(directory) not in _known("stores"):
        return {}
    links = [
        f"[{called.replace('_', ' ')}]({PAGE}/{_key(directory)}/{quote(path)})"
        for called, path in paths.items()
        if _SHOWN.fullmatch(path)
    ]
    return {OPEN: dg.MetadataValue.md(", ".join(links))} if links else {}


def webserver_here() -> str:
    """Return where the webserver answers that started this process, or else the usual place."""
    return str(_all().get("webserver", WEBSERVER))


def form_file(pipeline: str) -> Path | None:
    """Return the file of a form that is linked, if there is one."""
    file = _known("forms").get(pipeline)
    return Path(file) if file is not None and Path(file).is_file() else None


def page_file(store: str, path: str) -> Path | None:
    """Return the file of a page that is linked, if there is one and it is in the store."""
    root = _known("stores").get(store)
    if root is None or not _SHOWN.fullmatch(path):
        return None
    file = (Path(root) / path).resolve()
    return file if file.is_relative_to(Path(root).resolve()) and file.is_file() else None


def _key(directory: Path) -> str:
    """Return what stands for a store in addresses: they tell nothing of this machine."""
    return hashlib.sha256(str(directory).encode()).hexdigest()[:8]


def _known(kind: str, variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    return dict(_all(variables).get(kind, {}))


def _all(variables: Mapping[str, str] = os.environ) -> dict[str, Any]:
    return dict(json.loads(variables.get(PAGES_VARIABLE, "{}")))
