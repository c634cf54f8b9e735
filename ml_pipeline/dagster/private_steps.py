"""What is not public of Dagster and lets a step need less: why each is needed, in one sentence.

`test_private_steps.py` has a test for each that fails where a later Dagster has changed it.
"""

import re
import sys
import warnings
from collections.abc import Callable, Collection
from functools import cache
from typing import Any, Final

import dagster as dg

_SPLITS: Final = "_attempt_resolve_node_cycles"
"""Function of Dagster's that makes several steps of the assets of one."""


def needing_only_what_is_selected(
    made: dg.AssetsDefinition,
    resources: Callable[[Collection[dg.AssetKey]], set[str]],
    pool: Callable[[Collection[dg.AssetKey]], str | None],
) -> dg.AssetsDefinition:
    """Return assets of one step that ask for the resources and pool of the assets that a run makes.

    Dagster's own ask for those of all of them, whichever are selected, so a run that needs no
    database would fail where there is none. One name stands for one op in a code location, so a
    step that asks for less is named for it.

    Args:
        made: the assets.
        resources: returns the keys of the resources that some of them need.
        pool: returns the pool that some of them run in.
    """

    class OfSelection(dg.AssetsDefinition):
        @staticmethod
        def dagster_internal_init(**attributes: Any) -> dg.AssetsDefinition:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return OfSelection(**attributes)

        def subset_for(self, *selection: Any, **named: Any) -> dg.AssetsDefinition:
            subset = super().subset_for(*selection, **named)
            # Where others' assets come between, Dagster makes several steps of one; as they have
            # one name, they must have one op.
            if sys._getframe(1).f_code.co_name == _SPLITS:
                return subset
            node = step_of(frozenset(resources(subset.keys)), pool(subset.keys))
            return OfSelection.dagster_internal_init(
                **{**subset.get_attributes_dict(), "node_def": node}
            )

    @cache
    def step_of(needed: frozenset[str], pooled: str | None) -> dg.OpDefinition:
        if (needed, pooled) == (made.op.required_resource_keys, made.op.pool):
            return made.op
        lacking = sorted(made.op.required_resource_keys - needed)
        if made.op.pool != pooled:
            lacking.append(f"pool_{made.op.pool}")
        name = re.sub(r"\W", "_", "_".join([made.op.name, "without", *lacking]))
        return dg.OpDefinition(
            name=name,
            ins=made.op.ins,
            outs=made.op.outs,
            compute_fn=made.op.compute_fn,
            config_schema=made.op.config_schema,
            description=made.op.description,
            tags=made.op.tags,
            retry_policy=made.op.retry_policy,
            required_resource_keys=set(needed),
            pool=pooled,
        )

    return OfSelection.dagster_internal_init(**made.get_attributes_dict())
