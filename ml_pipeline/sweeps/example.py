"""An example of what can be tried, for messages: of the parameters that there are."""

from collections.abc import Iterator

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.model import ParamModel, nested
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.text import written


def example(model: ParamModel) -> str:
    """Return a parameter with an interval or several values that it takes; empty without any."""
    varied = [p for p in model.parameters() if p.is_identity and p.default is not ...]
    # Fractions and then integers, which show most, before what has but two values.
    varied.sort(key=lambda p: (not p.kind.number, not p.kind.whole))
    for parameter in varied:
        for first, last, text in _tries(parameter):
            if _is_taken(model, parameter, first) and _is_taken(model, parameter, last):
                return f"{parameter.told}={text}"
    return ""


def _tries(parameter: Parameter) -> Iterator[tuple[object, object, str]]:
    default, kind = parameter.default, parameter.kind
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    if is_number and default > 0 and (kind.number or kind.whole):
        log = "log" if kind.number else ""
        for below, above in ((10, 10), (2, 2), (1, 2), (2, 1)):
            ends = (default / below, default * above)
            first, last = ends if kind.number else (int(ends[0]), int(ends[1]))
            if 0 < first < last:
                yield first, last, f"{log}[{first:g}..{last:g}]"
    choices = [*kind.choices, *((True, False) if kind.truth else ())][:2]
    if len(choices) == 2:
        yield *choices, ",".join(map(written, choices))


def _is_taken(model: ParamModel, parameter: Parameter, value: object) -> bool:
    try:
        model.validate(nested({parameter.dotted: value}))
    except ParamsError:
        return False
    return True
