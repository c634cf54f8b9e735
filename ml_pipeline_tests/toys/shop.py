"""A project whose pipeline uses secrets, and a search of everything that it left behind."""

import base64
import io
import json
import sqlite3
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

CODE: Final = '''
"""A shop that is asked for its orders with a token."""

from datetime import date

import dagster as dg
from pydantic import Field

from ml_pipeline import (
    Objective, ParamGroup, ParamModel, Pipeline, Result, SecretRef, code_location,
    requests_sensor, sweep_schedule, window_schedule,
)


class Shop(ParamGroup):
    """How the shop is asked."""

    token: SecretRef = Field(SecretRef("env:SHOP_TOKEN"), description="lets in")
    certificate: SecretRef | None = Field(None, description="lets in, too")
    address: str = Field("https://shop", description="where it is")
    pages: int = Field(1, description="how many", ge=1)
    fails: bool = Field(False, description="whether the shop refuses")


PIPELINE = Pipeline("shop", ParamModel(shop=Shop), first_party=("leaky",))


def asked(shop: Shop) -> int:
    token = shop.token.get()
    certificate = shop.certificate.get() if shop.certificate is not None else ""
    if shop.fails:
        raise ConnectionError(f"{shop.address}/?token={token}&certificate={certificate} is refused")
    return len(token) + len(certificate)


def digest(as_of: date, shop: Shop) -> str:
    return str(asked(shop.model_copy(update={"fails": False})))


@PIPELINE.asset(reads=digest)
def orders(as_of: date, shop: Shop) -> dict[str, int]:
    return {"letters": asked(shop), "pages": shop.pages}


@PIPELINE.asset(objective=Objective(metric="error", direction="minimize"))
def score(orders: dict[str, int], shop: Shop) -> Result:
    return Result(orders, metrics={"error": float(orders["pages"])})


daily = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-10")


def whole() -> dg.Definitions:
    location = code_location(PIPELINE, daily)
    schedules = [
        window_schedule(location, last=2),
        sweep_schedule(location, {"params": {"pages": [1, 2]}}, last=1),
    ]
    own = dg.Definitions(sensors=[requests_sensor(location)], schedules=schedules)
    return dg.Definitions.merge(location, own)


defs = whole()
'''


def write_shop(folder: Path) -> None:
    """Write the project."""
    (folder / "leaky").mkdir(parents=True)
    (folder / "leaky" / "__init__.py").touch()
    (folder / "leaky" / "definitions.py").write_text(CODE)
    (folder / "pyproject.toml").write_text('[tool.ml_pipeline]\nmodule = "leaky.definitions"\n')


@dataclass
class Search:
    """Looks for marks, in whatever form they may have been written.

    Attributes:
        marks: what must be nowhere.
        places: how many places were searched.
        found: where one was.
    """

    marks: Sequence[str]
    places: int = 0
    found: list[str] = field(default_factory=list)

    def said(self, where: str, text: str) -> None:
        """Search what was said."""
        self._look(where, text.encode())

    def folder(self, folder: Path, but: Sequence[str] = ()) -> None:
        """Search every name, file, database row and member of an archive below a folder.

        Args:
            folder: where.
            but: names of files that somebody else has written the marks into.
        """
        for path in sorted(folder.rglob("*")):
            self._look(f"name {path}", str(path.relative_to(folder)).encode())
            if not path.is_file() or path.name in but:
                continue
            data = path.read_bytes()
            self._look(str(path), data)
            if data.startswith(b"SQLite format 3"):
                for where, row in _rows(path):
                    self._look(where, row)
            if zipfile.is_zipfile(io.BytesIO(data)):
                with zipfile.ZipFile(io.BytesIO(data)) as archive:
                    for name in archive.namelist():
                        self._look(f"{path}!{name}", archive.read(name))

    def _look(self, where: str, data: bytes) -> None:
        self.places += 1
        lower = data.lower()
        for mark in self.marks:
            for form in _forms(mark):
                if form.lower() in lower:
                    at = lower.index(form.lower())
                    around = data[max(0, at - 80) : at + 20]
                    self.found.append(f"{mark} in {where}: ...{around!r}")


def _forms(mark: str) -> set[bytes]:
    """Return what a mark looks like as it is, encoded for addresses, and in base64."""
    encoded = {base64.b64encode(b"x" * shift + mark.encode())[4:-4] for shift in range(3)}
    return {mark.encode(), quote(mark, safe="").encode(), json.dumps(mark)[1:-1].encode(), *encoded}


def _rows(database: Path) -> Iterator[tuple[str, bytes]]:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        tables = connection.execute("select name from sqlite_master where type = 'table'")
        for (table,) in tables.fetchall():
            for place, row in enumerate(connection.execute(f'select * from "{table}"')):
                yield f"{database}:{table}[{place}]", repr(row).encode()
