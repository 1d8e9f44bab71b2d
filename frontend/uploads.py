"""How much may be sent, and uploads of streams, which are written to a file as they arrive.

What a browser announces as too large is not read at all; what turns out to be is not read further.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile, StopUpload
from django.http import HttpRequest
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _

from machines import kept_streams
from machines.parsing import MAX_TOTAL_BYTES
from machines.streams import MAX_STREAM_BYTES

#: The form's field, and what a form takes beside the file.
FIELD = "file"
FORM_BYTES = 64 * 2**10
#: Addresses that take large files, and the bytes that a request there may have: twice what their
#: forms take, who then say in words what is too large. None: the view itself limits what it reads.
LARGE: Mapping[str, int | None] = {
    "import-new": 2 * MAX_TOTAL_BYTES,
    "api-imports": 2 * MAX_TOTAL_BYTES,
    "comparison": 2 * MAX_STREAM_BYTES,
    "api-compare": 2 * MAX_STREAM_BYTES,
    "streams": None,
    "api-streams": None,
}


def is_too_large(request: HttpRequest) -> bool:
    """Whether the request says itself that it is larger than its address takes.

    No more than it says is ever read of it.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return False
    try:
        name = resolve(request.path_info).url_name or ""
    except Resolver404:
        return True
    limit = LARGE.get(name, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    return limit is not None and int(length) > limit


class ReceivedFile(UploadedFile):  # type: ignore[type-arg]
    """A file that has come in whole: where it is, and the SHA-256 of its bytes."""

    def __init__(self, path: Path, name: str, size: int, digest: str) -> None:
        super().__init__(file=None, name=name, size=size)
        self.path = path
        self.digest = digest


class StreamUpload(FileUploadHandler):
    """Takes one file; ``too_large`` tells that it was stopped."""

    chunk_size = 2**20

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self.limit: int = settings.LOCKSTEP_MAX_STREAM
        self.too_large = False
        self._path: Path | None = None
        self._file: Any = None
        self._size = 0
        self._digest = hashlib.sha256()

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, *args, **kwargs)
        if field_name != FIELD or self._path is not None:
            raise SkipFile
        self._path = kept_streams.uploads() / f"incoming-{secrets.token_hex(16)}"
        self._file = self._path.open("xb")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._size += len(raw_data)
        if self._size > self.limit:
            self.too_large = True
            self.discard()
            raise StopUpload(connection_reset=True)
        self._digest.update(raw_data)
        self._file.write(raw_data)

    def file_complete(self, file_size: int) -> ReceivedFile | None:
        if self._path is None or self._file is None or self._file.closed:
            return None
        self._file.close()
        name = self.file_name or "stream"
        return ReceivedFile(self._path, name, self._size, self._digest.hexdigest())

    def upload_interrupted(self) -> None:
        self.discard()

    def discard(self) -> None:
        """Take away what nobody took over."""
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def receive(request: HttpRequest) -> StreamUpload:
    """Have the request's file taken as it arrives. To be called before anything reads the form."""
    handler = StreamUpload(request)
    request.upload_handlers = [handler]
    return handler


def announces_too_much(request: HttpRequest) -> bool:
    """Whether the request says itself that it is larger than an upload may be."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return length.isdigit() and int(length) > settings.LOCKSTEP_MAX_STREAM + FORM_BYTES


def too_large() -> str:
    """What is said of an upload beyond the limit."""
    limit = StreamUpload().limit // 2**20
    return _("The file is larger than %(limit)d MiB: it was not read. Send it as .xz.") % {
        "limit": limit
    }
