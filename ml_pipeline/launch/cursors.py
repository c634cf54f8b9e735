"""Short cursors for long memories: Dagster keeps a name, a folder keeps the text.

Dagster writes a sensor's cursor together with the runs that it asks for, and shows it on the
sensor's page. So the text is written first, under the name of its content, and nothing replaces it:
whichever cursor Dagster has, its text is there, though a tick may have come to nothing.
"""

import os
import time
from pathlib import Path
from typing import Final

from ml_pipeline.errors import SettingsError
from ml_pipeline.store.files import digest_of_bytes

_DIGITS: Final = 16
_KEPT_S: Final = 7 * 86_400.0


class Cursors:
    """The texts of one sensor."""

    def __init__(self, folder: Path) -> None:
        """Keep texts in a folder; it is made when there is one."""
        self._folder = folder

    def keep(self, text: str) -> str:
        """Keep a text, and return the cursor that recalls it.

        Raises:
            SettingsError: if the folder cannot be written.
        """
        data = text.encode()
        cursor = digest_of_bytes(data)[:_DIGITS]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            scratch = self._folder / f".{cursor}.{os.getpid()}"
            scratch.write_bytes(data)
            scratch.replace(self._folder / cursor)
            self._forget()
        except OSError as error:
            raise SettingsError(
                f"The home folder must be writable, but {self._folder} is not: {error.strerror}."
                " Set ML_PIPELINE_HOME to a folder that is."
            ) from error
        return cursor

    def recall(self, cursor: str | None) -> str | None:
        """Return the text of a cursor, or None where it is lost.

        A cursor that was written before there was a folder is its own text.
        """
        if cursor is None or cursor.startswith("{"):
            return cursor
        if not (len(cursor) == _DIGITS and cursor.isalnum()):
            return None
        file = self._folder / cursor
        try:
            data = file.read_bytes()
            # What is in use is not forgotten, however long nothing changes.
            os.utime(file)
        except OSError:
            return None
        return data.decode() if digest_of_bytes(data).startswith(cursor) else None

    def _forget(self) -> None:
        for file in self._folder.iterdir():
            if time.time() - file.stat().st_mtime > _KEPT_S:
                file.unlink(missing_ok=True)
