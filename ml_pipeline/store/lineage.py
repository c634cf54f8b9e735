"""What artifacts were made from, followed from record to record through the inputs they name."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import TopologicalSorter

from ml_pipeline.store.record import Input, Record


def upstream(
    records: Iterable[Record], read: Callable[[Input], Record | None]
) -> Iterator[tuple[str, Input, Record | None]]:
    """Yield all that some artifacts were made from, the nearest first, each directory once.

    Args:
        records: their records.
        read: returns the record of an input, or None where it is gone or cannot be read.

    Yields:
        The name of the stage, the input as the first that names it has it, and its record.
    """
    waiting = list(records)
    seen = set()
    for record in waiting:
        for name, made in record.inputs.items():
            if made.path not in seen:
                seen.add(made.path)
                found = read(made)
                if found is not None:
                    # The loop goes on to what is added while it runs.
                    waiting.append(found)
                yield name, made, found


def in_order(records: Mapping[str, Record]) -> list[str]:
    """Return directories, each after those of what it was made from.

    Args:
        records: what is in each; inputs that are elsewhere don't count.
    """
    made_from = {
        path: [read.path for read in record.inputs.values() if read.path in records]
        for path, record in records.items()
    }
    return list(TopologicalSorter(made_from).static_order())
