"""What Dagster loads: values refused at launch, assets kept by their config, a pipeline."""

import dagster as dg

import ml_pipeline as mp
from transit.existing import DAYS, existing
from transit.model import PIPELINE


@dg.definitions
def defs() -> dg.Definitions:
    """Return what there was, with its values checked and its assets reused, and the pipeline."""
    return dg.Definitions.merge(
        mp.reusing(mp.validated(existing)), mp.code_location(PIPELINE, DAYS)
    )
