"""Which trackers the settings switch on."""

from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.tracking.tracker import Tracker, Trackers


def tracker_of(pipeline: Pipeline) -> Tracker:  # noqa: ARG001 - each tracker will ask for it
    """Return what keeps track of the results of a pipeline; nothing unless the settings say so.

    Args:
        pipeline: its stages.
    """
    trackers: list[Tracker] = []
    return Trackers(trackers)
