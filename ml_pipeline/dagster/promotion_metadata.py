"""What a promotion would do, and did, as Dagster's UI shows it: tables rather than sentences."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_pipeline.dagster.metadata import table

if TYPE_CHECKING:
    from ml_pipeline.launch.promotion_request import PromotionPlan
    from ml_pipeline.store.ledger import Promotion


def plan_metadata(plan: "PromotionPlan") -> dict[str, Any]:
    """Return what is promoted, beside what is there, and what speaks against it.

    Args:
        plan: what was asked for, looked up and compared.
    """
    record, before = plan.entry.record, plan.before
    of = f" of {record.as_of}" if record.as_of is not None else ""
    source = plan.source.environment or plan.source.uri
    # What is long is cut off at first sight: what decides comes first.
    metadata: dict[str, Any] = {
        "promotion": f"{record.run_id}{of} from {source} to {plan.line}",
        "before": before.run_id if before is not None else "none",
    }
    if plan.problems:
        metadata["against_it"] = "; ".join(plan.problems)
    if plan.outcome is not None:
        metadata["gate_figures"] = _figures(plan.outcome.model_dump(mode="json"))
    standing = before.metrics if before is not None else {}
    return metadata | _tables(plan.parameters, standing, record.metrics)


def promoted_metadata(now: "Promotion", before: "Promotion | None") -> dict[str, Any]:
    """Return what an environment has now, beside what it had before.

    Args:
        now: its last entry.
        before: the one before that, if there is one.
    """
    metadata: dict[str, Any] = {
        "promoted_to": now.line,
        "run_id": now.run_id,
        "before": before.run_id if before is not None else "none",
        "entry": now.number,
    }
    metadata |= {name: text for name, text in (("by", now.by), ("note", now.note)) if text}
    if now.forced:
        metadata["forced"] = "; ".join(now.forced)
    if now.restores is not None:
        metadata["goes_back_to_entry"] = now.restores
    if now.gate is not None:
        metadata["gate"] = str(now.gate["sentence"])
        metadata["gate_figures"] = _figures(now.gate)
    if now.flags:
        metadata["flags"] = dict(now.flags)
    return metadata | _tables(
        now.parameters, before.metrics if before is not None else {}, now.metrics
    )


def _tables(
    parameters: Mapping[str, Sequence[Any]], before: Mapping[str, float], now: Mapping[str, float]
) -> dict[str, Any]:
    found = {}
    if parameters:
        told = [[name, str(there), str(here)] for name, (there, here) in parameters.items()]
        found["parameters_that_differ"] = table(["parameter", "before", "now"], told)
    if names := [*now, *(name for name in before if name not in now)]:
        rows = [[name, before.get(name, ""), now.get(name, "")] for name in names]
        found["metrics"] = table(["metric", "before", "now"], rows)
    return found


def _figures(outcome: Mapping[str, Any]) -> dg.TableMetadataValue:
    """Return a row for each criterion; a gate without any has its dates alone."""
    names = ("criterion", "verdict", "candidate", "champion", "limit", "dates")
    rows = [
        ["" if figure.get(name) is None else figure[name] for name in names]
        for figure in outcome["figures"]
    ]
    asked = f"{outcome['min_dates']} dates or more"
    verdict = "passed" if len(outcome["dates"]) >= outcome["min_dates"] else "failed"
    return table(names, rows or [[asked, verdict, "", "", "", len(outcome["dates"])]])
