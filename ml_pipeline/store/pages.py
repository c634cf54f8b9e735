"""The pictures of artifacts: one page beside a record, which a browser shows as it is.

One page, however many pictures there are, is one request to an object store. Each picture is an
image on it, so that names within one mean nothing to another, and nothing in it is executed.
"""

import base64
import re
from collections.abc import Mapping
from html import escape
from typing import Final

from ml_pipeline.errors import StoreUnreachable
from ml_pipeline.store.files import digest_of_bytes
from ml_pipeline.store.payloads import Payloads
from ml_pipeline.store.record import Pictures, Record

PICTURE: Final = "picture"
"""Name of a picture that was given none."""

_PAGE: Final = "pictures.html"
_IMAGE: Final = re.compile(r'src="data:image/svg\+xml;base64,([^"]*)"')
_HEAD: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Pictures</title>
<style>body { font: 14px system-ui, sans-serif; margin: 24px; color: #1f2933 }
figure { margin: 0 0 24px } img { display: block; max-width: 100% }
figcaption { margin-bottom: 4px }</style>
"""


class Pages(Payloads):
    """Artifacts with pages of pictures."""

    def put_pictures(self, directory: str, pictures: Mapping[str, str]) -> Pictures:
        """Put the page of an artifact's pictures in place, before its record.

        Args:
            directory: the artifact's directory.
            pictures: SVGs by name, at least one; the first is shown first.

        Returns:
            What the record says of it.

        Raises:
            StoreUnreachable: if the store cannot be written.
        """
        page = _page(pictures).encode()
        digest = digest_of_bytes(page)
        stem, _, suffix = _PAGE.partition(".")
        # The name is taken by other bytes where a writer has died that drew something else.
        for name in (_PAGE, f"{stem}-{digest}.{suffix}"):
            path = f"{directory}/{name}"
            if self.put_if_absent(path, page) or self._digest(path) == digest:
                return Pictures(file=name, bytes=len(page), digest=digest, names=list(pictures))
        raise StoreUnreachable(
            f"{self.address(directory)} holds a file that is named for its content but has other"
            " content. Remove the directory and run again."
        )

    def pictures(self, directory: str, record: Record) -> dict[str, str]:
        """Return the pictures of an artifact: SVGs by name, the one to show first in front.

        Args:
            directory: the artifact's directory.
            record: its record.

        Raises:
            ArtifactDamaged: if the page is missing, or is not the one that was published.
            StoreUnreachable: if the store cannot be read.
        """
        if record.pictures is None:
            # Records from before there were pages hold one picture themselves.
            return {} if record.picture is None else {PICTURE: record.picture}
        path = f"{directory}/{record.pictures.file}"
        page = self.read(path)
        found = None if page is None else digest_of_bytes(page)
        self._compare(path, record.pictures.digest, found)
        images = _IMAGE.findall((page or b"").decode())
        svgs = (base64.b64decode(image).decode() for image in images)
        return dict(zip(record.pictures.names, svgs, strict=True))

    def take_pictures(self, source: "Pages", directory: str, record: Record) -> None:
        """Copy the page of an artifact's pictures from another store; one that is lost stays so.

        Args:
            source: the other store.
            directory: the artifact's directory.
            record: its record.

        Raises:
            ArtifactDamaged: if the name of the page is taken here by other bytes.
        """
        if record.pictures is None:
            return
        path = f"{directory}/{record.pictures.file}"
        page = source.read(path)
        if page is None or digest_of_bytes(page) != record.pictures.digest:
            return
        if not self.put_if_absent(path, page):
            self._compare(path, record.pictures.digest, self._digest(path))


def _page(pictures: Mapping[str, str]) -> str:
    figures = [
        f"<figure><figcaption>{escape(name)}</figcaption>"
        f'<img alt="{escape(name)}" src="data:image/svg+xml;base64,'
        f'{base64.b64encode(svg.encode()).decode()}"></figure>\n'
        for name, svg in pictures.items()
    ]
    return _HEAD + "".join(figures) + "</html>\n"
