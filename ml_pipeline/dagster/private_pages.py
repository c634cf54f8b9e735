"""Dagster's development services with a webserver that has our pages, too.

`python -m ml_pipeline.dagster.private_pages dev ...` is `dagster dev ...`, and with `webserver` in
the place of `dev` it is `dagster-webserver`. Neither has a public place for pages of others: the
first starts the second by its name, and the second makes its routes in a class of its own. Where a
later Dagster has other names, it starts as it is, and links of ours lead nowhere.
"""

import sys
import warnings
from collections.abc import Sequence
from typing import Any, Final

from ml_pipeline.dagster.pages import FORM, PAGE, form_file, page_file

_STARTS: Final = "open_ipc_subprocess"
_SERVER: Final = "DagsterWebserver"
_MODULE: Final = "ml_pipeline.dagster.private_pages"

# What stages have drawn may run scripts of its own, and none that act on the webserver.
_APART: Final = {"Content-Security-Policy": "sandbox allow-scripts allow-popups allow-downloads"}


def dev() -> None:
    """Start webserver and daemon, as `dagster dev` does."""
    from dagster import _cli
    from dagster._cli import dev

    main: Any = _cli.main
    start = vars(dev).get(_STARTS)

    def start_ours(parts: Sequence[str], **options: Any) -> Any:
        at = list(parts)
        if at[1:3] == ["-m", "dagster_webserver"]:
            at[2:3] = [_MODULE, "webserver"]
        return start(at, **options) if start is not None else None

    if start is not None:
        setattr(dev, _STARTS, start_ours)
    main()


def webserver() -> None:
    """Start a webserver, as `dagster-webserver` does."""
    from dagster_webserver import app, cli

    main: Any = cli.main
    own = vars(app).get(_SERVER)
    if own is not None:
        setattr(app, _SERVER, with_pages(own))
    main()


def with_pages(server: Any) -> Any:
    """Return a class of webservers that has our pages before its own.

    Args:
        server: Dagster's class.
    """
    from starlette.requests import Request
    from starlette.responses import FileResponse, PlainTextResponse, Response
    from starlette.routing import Route

    def shown(file: Any, headers: dict[str, str]) -> Response:
        if file is None:
            return PlainTextResponse("There is no such page, or none any more.", 404)
        # It is written anew under the same name.
        headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", **headers}
        return FileResponse(file, media_type="text/html", headers=headers)

    async def form(request: Request) -> Response:
        return shown(form_file(request.path_params["pipeline"]), {})

    async def page(request: Request) -> Response:
        found = page_file(request.path_params["store"], request.path_params["path"])
        return shown(found, _APART)

    class WithPages(server):  # type: ignore[misc]
        def build_routes(self) -> Any:
            return [
                Route(f"{FORM}/{{pipeline:str}}", form),
                Route(f"{PAGE}/{{store:str}}/{{path:path}}", page),
                *super().build_routes(),
            ]

    return WithPages


if __name__ == "__main__":
    # Nobody has typed what this advises against.
    warnings.filterwarnings("ignore", "Function `dev_command` is superseded", FutureWarning)
    starts = {"dev": dev, "webserver": webserver}[sys.argv[1]]
    sys.argv = [f"dagster-{sys.argv[1]}", *sys.argv[(1 if starts is dev else 2) :]]
    starts()
