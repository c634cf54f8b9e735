"""A pipeline whose stages ask Dagster for a resource, its context and assets that are no stages.

    prices (each day) ─┐
    rates (once) ──────┼─> table ─> score        alone
    shop (resource) ───┘

What is there is governed by files in the directory that ``ASKING_HOME`` names; worker processes,
which may be older than that variable, know it from the resource:

    shop             gets a line for whatever happens to the resource
    said             gets a line for every computation of `table`
    prices, rates    the number that the asset of that name holds; 1 where there is no file
    fail             `table` fails, and counts the file down, while there is a number above 0
"""

import asyncio
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from ml_pipeline import Objective, ParamGroup, ParamModel, Pipeline, Result, code_location

DAILY = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")
DAY = "2026-01-05"


class Size(ParamGroup):
    """How much."""

    rows: int = Field(2, ge=1, le=9)


class Supplier(dg.ConfigurableResource[Any]):
    """Who delivers: a resource of the resource."""

    pieces: int = 3


class Shop(dg.ConfigurableResource[Any]):
    """What amounts come from; open only while it is used."""

    folder: str
    url: str
    supplier: Supplier
    _is_open: bool = PrivateAttr(False)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        note(self.folder, "shop", "open")
        self._is_open = True

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        note(self.folder, "shop", "closed")

    def amounts(self, rows: int) -> list[int]:
        assert self._is_open, "it is used before it is open"
        return [len(self.url) + self.supplier.pieces] * rows


class Lake(dg.ConfigurableIOManager):
    """Keeps values as JSON, in a way of its own."""

    folder: str

    def _file(self, context: dg.InputContext | dg.OutputContext) -> Path:
        return Path(self.folder) / "-".join(context.asset_key.path)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        self._file(context).write_text(json.dumps(obj))

    def load_input(self, context: dg.InputContext) -> Any:
        note(self.folder, "shop", f"load {context.asset_key.to_user_string()}")
        return json.loads(self._file(context).read_text())


def home() -> Path:
    return Path(os.environ["ASKING_HOME"])


def note(folder: str, file: str, line: str) -> None:
    with (Path(folder) / file).open("a") as notes:
        notes.write(f"{line}\n")


def noted(file: str) -> list[str]:
    """Return the lines of a file that have come since it was asked for."""
    path = home() / file
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def number(name: str) -> int:
    path = home() / name
    return int(path.read_text()) if path.exists() else 1


@dg.asset(partitions_def=DAILY)
def prices(context: dg.AssetExecutionContext) -> dg.Output[dict[str, Any]]:
    """What it costs on a day; the version is what it holds."""
    held = {"price": number("prices"), "day": context.partition_key}
    return dg.Output(held, data_version=dg.DataVersion(str(held["price"])))


@dg.asset(io_manager_key="lake", key_prefix="bank")
def rates() -> int:
    """What money costs; every materialization is a version."""
    return number("rates")


PIPELINE = Pipeline("asking", ParamModel(size=Size))


@PIPELINE.asset
def alone(size: Size) -> int:
    """What needs nobody."""
    return size.rows


@PIPELINE.asset(
    ins={"prices": prices, "rate": rates},
    retry_policy=dg.RetryPolicy(max_retries=2),
)
async def table(
    as_of: date,
    size: Size,
    shop: Shop,
    prices: dict[str, Any],
    rate: int,
    context: dg.AssetExecutionContext,
) -> dict[str, Any]:
    """Amounts of a day, and who computed them."""
    await asyncio.sleep(0)
    note(shop.folder, "said", f"{context.partition_key} {context.asset_key.to_user_string()}")
    context.log.info("computing")
    prices["price"] += rate - 1
    fail = Path(shop.folder) / "fail"
    left = int(fail.read_text()) if fail.exists() else 0
    if left > 0:
        fail.write_text(str(left - 1))
        raise ConnectionError("the shop is busy")
    assert prices["day"] == str(as_of)
    return {"amounts": shop.amounts(size.rows), "price": prices["price"]}


@PIPELINE.asset(objective=Objective(metric="sum", direction="maximize"))
def score(table: dict[str, Any], size: Size) -> Result:
    """What it all costs."""
    return Result(table, metrics={"sum": sum(table["amounts"]) * table["price"]})


STOCK = Pipeline("stock", ParamModel(size=Size))


def held(as_of: date, shop: Shop) -> str:
    """Tell what the shop has: the text of the file `stock` in its folder."""
    note(shop.folder, "shop", f"asked of {as_of}")
    return (Path(shop.folder) / "stock").read_text()


@STOCK.asset(reads=held, objective=Objective(metric="pieces", direction="maximize"))
def counted(size: Size, shop: Shop) -> Result:
    """What the shop has."""
    pieces = size.rows * len((Path(shop.folder) / "stock").read_text())
    return Result({"pieces": pieces}, metrics={"pieces": pieces})


@STOCK.asset
def doubled(counted: dict[str, int]) -> int:
    """Twice what the shop has."""
    return 2 * counted["pieces"]


def defs(folder: Path) -> dg.Definitions:
    """Return the code location.

    Args:
        folder: where everything is kept.
    """
    return dg.Definitions.merge(
        code_location(
            PIPELINE,
            DAILY,
            lambda: str(folder / "store"),
            Path(__file__).parent,
            studies=lambda: str(folder / "studies"),
        ),
        dg.Definitions(
            assets=[prices, rates],
            resources={
                "shop": Shop(folder=str(folder), url="abcd", supplier=Supplier()),
                "lake": Lake(folder=str(folder)),
            },
        ),
    )
