"""Where artifacts live: the directory that an asset has for given parameters.

    {asset}/dataset=sales/as_of=1998-05-31/model_version=v1/run=<run id>/rev=<fingerprint>

The run id alone is the key. The labels before it are for people, and for engines that read Hive
directories; every one is percent-encoded, so no value can leave its directory.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, unquote

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.as_of import AsOf, as_of_from_key, unusable
from ml_pipeline.params.identity import digest_of, document
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.text import quoted

_AS_OF: Final = "as_of"
_LONGEST_LABEL: Final = 120
_REVISION: Final = re.compile(r"(.*?/run=[^/]+/rev=[^/]+)/")


@dataclass(frozen=True)
class Slot:
    """The place of one asset at one point in parameter space, before any revision.

    Attributes:
        asset: name of the asset.
        as_of: the partition, or None.
        identity: the document whose hash is `run_id`.
        run_id: identity of the point.
        path: directory below the store's root.
        model: the parameters, to tell people what the names in `identity` stand for, if known.
    """

    asset: str
    as_of: AsOf | None
    identity: dict[str, Any]
    run_id: str
    path: str
    model: ParamModel | None = field(default=None, compare=False, repr=False)

    def revision(self, fingerprint: str) -> str:
        """Return the directory of one revision."""
        return f"{self.path}/rev={fingerprint}"


def slot_for(asset: str, params: ParamSet, scope: Sequence[str], as_of: AsOf | None) -> Slot:
    """Return where an asset lives.

    Args:
        asset: name of the asset.
        params: values of all parameters.
        scope: the groups that the asset depends on.
        as_of: the partition, or None.
    """
    values, labels = params.identity_values(scope), list(params.labels(scope))
    return slot_of(asset, values, labels, as_of, params.model)


def slot_of(
    asset: str,
    values: Mapping[str, Mapping[str, Any]],
    labels: Sequence[tuple[str, str, Any]],
    as_of: AsOf | None,
    model: ParamModel | None = None,
) -> Slot:
    """Return where an asset lives that depends on given values.

    Args:
        asset: name of the asset.
        values: those that take part in identity, ``{group: {field: value}}``.
        labels: group, name and value of those that show in the path.
        as_of: the partition, or None.
        model: the parameters, if they are those of a model.
    """
    identity = document(values, as_of)
    key = digest_of(identity)
    parts = [asset_directory(asset)]
    if as_of is None:
        parts += [_label(name, value) for _, name, value in labels]
    else:
        first = next(iter(values), None)
        parts += [_label(name, value) for group, name, value in labels if group == first]
        parts.append(as_of_label(as_of))
        parts += [_label(name, value) for group, name, value in labels if group != first]
    parts.append(f"run={key}")
    return Slot(asset, as_of, identity, key, "/".join(parts), model)


def asset_directory(asset: str) -> str:
    """Return the directory of an asset below the root; slashes in its name are levels."""
    return "/".join(_encoded(part) for part in asset.split("/"))


def as_of_label(as_of: AsOf) -> str:
    """Return the level of a path that tells what all below it is as of.

    Raises:
        PipelineError: if the key cannot be part of a path.
    """
    if problem := unusable(str(as_of)):
        raise PipelineError(
            f"The key of a partition must be part of a path, but {quoted(str(as_of))} {problem}."
            " Give the partition another key."
        )
    return _label(_AS_OF, as_of)


def as_of_on(label: str) -> AsOf | None:
    """Return what a level of a path tells all below it to be as of.

    Returns:
        None where it tells nothing of that, or where the key was too long to be told whole.
    """
    name, _, text = label.partition("=")
    if name != _AS_OF or len(text) > _LONGEST_LABEL:
        return None
    return as_of_from_key(unquote(text))


def revision_of(path: str) -> str:
    """Return the directory of the revision that something is in, or else the one that it is in.

    Args:
        path: a file below the store's root; what an artifact holds may be named like ours.
    """
    found = _REVISION.match(path)
    return found[1] if found else path.rpartition("/")[0]


def _label(name: str, value: Any) -> str:
    text = _encoded(str(value))
    if len(text) > _LONGEST_LABEL:
        text = f"{text[:_LONGEST_LABEL].rstrip('%')}~{digest_of(str(value))}"
    return f"{_encoded(name)}={text}"


def _encoded(text: str) -> str:
    encoded = quote(text, safe="")
    return encoded if encoded.strip(".") else encoded.replace(".", "%2E")
