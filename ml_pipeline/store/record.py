"""The record beside an artifact: everything needed to find, explain and repeat it.

No record, no artifact: it is written last, so whoever can read one can read what it describes.
Nothing in it names a host, a user or a directory.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import pydantic

from ml_pipeline.params.as_of import Kept
from ml_pipeline.params.identity import digest_of
from ml_pipeline.store.document import BelowRoot, Document, Moment, Part, PlainName, Seconds

TAKEN: Final = frozenset(
    {
        *("as_of", "asset", "bytes", "digest", "duration_s", "environment", "made_at", "made_by"),
        *("origins", "path", "picture", "pipeline", "reason", "reused", "reused_from", "revision"),
        "run_id",
    }
)
"""Names that no metric can have: materializations and lists of runs show other things by them."""


Direction = Literal["minimize", "maximize"]
"""Which way a metric is better."""


class Input(Part):
    """An upstream artifact that a computation read.

    Attributes:
        digest: content digest of its bytes.
        path: its directory below the store's root.
        code: fingerprints of the first-party classes and functions that made a value of the bytes.
    """

    run_id: str
    revision: str
    digest: str
    path: BelowRoot
    code: dict[str, str] = pydantic.Field(default_factory=dict)


class Pictures(Part):
    """The page beside a record that holds the pictures of its artifact.

    Attributes:
        file: name of the page.
        bytes: its size.
        digest: BLAKE3 of it, 32 hexadecimal digits.
        names: what the pictures show, in their order; the first is shown first.
    """

    file: PlainName
    bytes: int = pydantic.Field(ge=0)
    digest: str
    names: list[str]


class OtherAsset(Part):
    """What is no stage, as a computation found it: an asset, or a run that was promoted.

    Attributes:
        partition: its partition, or None where it has none.
        version: its data version, as Dagster has it; of a run its id, revision and digest.
        about: what else is to be told of it, by name.
    """

    partition: str | None
    version: str
    about: dict[str, bool | float | str] = pydantic.Field(default_factory=dict)


class Member(Part):
    """One file of a folder.

    Attributes:
        bytes: its size.
        digest: BLAKE3 of it, 32 hexadecimal digits.
    """

    bytes: int = pydantic.Field(ge=0)
    digest: str


class Content(Part):
    """The bytes of an artifact.

    Attributes:
        file: name of the file, or of the folder, beside the record.
        format: name of the `Format` that wrote it.
        bytes: size of the file, or of all files of the folder.
        digest: BLAKE3 of the file, or of the paths and digests of all files of the folder; 32
            hexadecimal digits.
        shape: rows and columns where the value has them.
        files: the files of a folder by their path in it.
        shared: the directory below the root where these files are, each under the last part of its
            path, if artifacts share them; None where they are this artifact's own.
        classes: full names of the classes of one's own that reading makes; None where those may be
            all that the format knows.
    """

    file: PlainName
    format: str
    bytes: int = pydantic.Field(ge=0)
    digest: str
    shape: dict[str, int] = pydantic.Field(default_factory=dict)
    files: dict[BelowRoot, Member] = pydantic.Field(default_factory=dict)
    shared: BelowRoot | None = None
    classes: list[str] | None = None


class Provenance(Part):
    """What surrounded a computation; never part of any identity.

    Attributes:
        environment: the one that it was in; None where none was configured.
    """

    environment: str | None = None
    dagster_run_id: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    python: str = ""
    packages: dict[str, str] = pydantic.Field(default_factory=dict)


class Objective(Part):
    """What results of one kind are compared by.

    Attributes:
        metric: name of the metric.
        direction: which way is better.
        baseline: name of the metric that holds the same measure for a naive baseline, if any.
    """

    metric: str
    direction: Direction
    baseline: str | None = None


class Record(Document):
    """One published revision of one artifact.

    Attributes:
        identity: the document whose hash is `run_id`.
        params: all values of the scope, those that are not identity included.
        origins: where each value that is not a default came from, by dotted name.
        code: fingerprint of the code, or the declared version; with the versions of packages that
            the stage declares.
        code_scheme: the way of fingerprinting that gave `code`; 0 where a version is declared.
        code_parts: a short digest of each piece of code that counts, by name, by module.
        packages: versions of the packages that the stage declares as part of its revision.
        files: content digests of the files that it declares; they count in `external`.
        external: digest of outside data that was read, if any.
        inputs: upstream artifacts by stage name.
        others: assets that are no stages, by their key in Dagster; promoted runs, by ``@`` and
            what the environment has them as.
        started_at: when the computation began, UTC.
        duration_s: how long computing and writing took, in seconds.
        metrics: numbers that tell how good the result is.
        objective: what the result is compared by with others of its kind, if it is judged.
        picture: an SVG that shows the result, in records from before pictures had a page.
        pictures: where the pictures of the result are, if the stage drew any.
    """

    called = "a record"
    remedy = (
        "The artifact beside it is not used: the next run that needs it makes it again, or remove"
        " its directory."
    )

    asset: str
    run_id: str
    revision: str
    as_of: Kept
    identity: dict[str, Any]
    params: dict[str, dict[str, Any]]
    origins: dict[str, str] = pydantic.Field(default_factory=dict)
    code: str
    code_scheme: int = 1
    code_parts: dict[str, dict[str, str]] = pydantic.Field(default_factory=dict)
    packages: dict[str, str] = pydantic.Field(default_factory=dict)
    files: dict[str, str] = pydantic.Field(default_factory=dict)
    external: str | None = None
    inputs: dict[str, Input] = pydantic.Field(default_factory=dict)
    others: dict[str, OtherAsset] = pydantic.Field(default_factory=dict)
    content: Content
    started_at: Moment
    duration_s: Seconds
    metrics: dict[str, pydantic.FiniteFloat] = pydantic.Field(default_factory=dict)
    objective: Objective | None = None
    picture: str | None = None
    pictures: Pictures | None = None
    provenance: Provenance = Provenance()


def fingerprint(
    code: str,
    inputs: Mapping[str, str],
    external: str | None,
    others: Mapping[str, OtherAsset] | None = None,
) -> str:
    """Return the revision that code and data make of a run id: 16 hexadecimal digits.

    Args:
        code: code fingerprint or declared version of the stage.
        inputs: digest of each input as the stage sees it, by stage name. Content, not revision: an
            upstream that was computed again with the same result disturbs nothing.
        external: digest of the outside data that the stage reads.
        others: the assets that it reads and that are no stages, by key.
    """
    # No name of a stage has a blank in it.
    versions = {f"asset {key}": other.version for key, other in (others or {}).items()}
    return digest_of({"code": code, "inputs": {**inputs, **versions}, "external": external})
