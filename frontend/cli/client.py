"""The REST API as the commands call it: one request after another, with its faults as sentences.

What may be sent twice is: a ``GET``, and a ``POST`` under an ``Idempotency-Key`` of its own. So a
lost connection is tried again, and so is a server that asks to wait (429, 503).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import requests

from frontend.cli.configuration import Configuration
from frontend.cli.failures import InputFailed, ServerFailed

API = "/api/v1/"
SECONDS = 60
TRIES = 4
#: The longest that a server may make a command wait before it is told to come back later.
LONGEST_WAIT = 60
#: Statuses that are the server's fault, or its refusal to let one in; others are the input's.
_SERVERS = frozenset({401, 403, 429})
_AGAIN = frozenset({429, 502, 503, 504})
#: Rows that a page may have, and those that are asked for of a list.
LARGEST_PAGE = 500
ROWS = 200

#: What a job tells while it is waited for: done, total, text.
Progress = Callable[[int, int, str], None]


class Client:
    """A server and a token."""

    def __init__(self, configuration: Configuration) -> None:
        self.site = configuration.site
        self._session = requests.Session()
        self._session.headers["Accept"] = "application/json, */*;q=0.1"
        self._session.headers["User-Agent"] = "lockstep"
        if configuration.token:
            self._session.headers["Authorization"] = f"Bearer {configuration.token}"
        # Asked for nothing else: what ~/.netrc has for the host would go out in the token's place.
        self._session.auth = lambda call: call

    # --- Calls ------------------------------------------------------------------------------------

    def get(self, address: str, **query: Any) -> Any:
        """What an address answers. Raises InputFailed and ServerFailed, as all of these do."""
        wanted = {key: value for key, value in query.items() if value not in (None, "", ())}
        return self._json(self._send("GET", address, params=wanted))

    def post(self, address: str, document: Any = None, **more: Any) -> Any:
        """Do something; it is done once, however often the connection is lost."""
        headers = {"Idempotency-Key": str(uuid.uuid4()), **more.pop("headers", {})}
        if "files" not in more:
            more["json"] = document if document is not None else {}
        return self._json(self._send("POST", address, headers=headers, **more))

    def ask(self, address: str, document: Any = None, **more: Any) -> Any:
        """What an address answers to a question that a body asks: it writes nothing."""
        if "files" not in more:
            more["json"] = document
        return self._json(self._send("POST", address, again=True, **more))

    def put(self, address: str, document: Any) -> Any:
        """Put something in another's place."""
        return self._json(self._send("PUT", address, json=document))

    def delete(self, address: str) -> None:
        """Take something away."""
        self._send("DELETE", address)

    def all(self, address: str, limit: int = 0, **query: Any) -> list[Any]:
        """The rows of a list, page by page; at most ``limit``, where that is not 0."""
        rows: list[Any] = []
        for row in self._rows(address, query):
            rows.append(row)
            if limit and len(rows) == limit:
                break
        return rows

    def file(self, address: str) -> bytes:
        """The bytes of a file."""
        return bytes(self._send("GET", address).content)

    def download(self, address: str, target: Path, told: Callable[[int], None]) -> None:
        """Write a file as it comes; ``told`` hears the bytes that are there. Nothing half stays."""
        unfinished = target.with_name(target.name + ".part")
        answer = self._send("GET", address, stream=True)
        try:
            with unfinished.open("wb") as file:
                count = 0
                for piece in answer.iter_content(1 << 16):
                    count += file.write(piece)
                    told(count)
            unfinished.replace(target)
        except OSError as error:
            raise InputFailed(f"{target}: {error.strerror or error}") from error
        finally:
            unfinished.unlink(missing_ok=True)

    def wait(self, job: Mapping[str, Any], told: Progress, every: float = 0.5) -> dict[str, Any]:
        """The job when it has ended, however it did."""
        now: dict[str, Any] = dict(job)
        while now["status"] in ("queued", "running"):
            time.sleep(every)
            now = self.get(f"jobs/{job['id']}/")
            told(now["progress_done"], now["progress_total"], now["progress_text"])
        return now

    # --- Below ------------------------------------------------------------------------------------

    def _rows(self, address: str, query: Mapping[str, Any]) -> Iterator[Any]:
        page = 1
        while True:
            found = self.get(address, **query, page=page, page_size=ROWS)
            if isinstance(found, list):
                yield from found
                return
            yield from found["results"]
            if not found["next"]:
                return
            page += 1

    def _send(self, method: str, address: str, **more: Any) -> requests.Response:
        whole = address if address.startswith("/") else API + address
        again = more.pop("again", method == "GET" or "Idempotency-Key" in more.get("headers", {}))
        stream = more.pop("stream", False)
        # Made once: what is sent a second time is the same to the byte.
        call = self._session.prepare_request(requests.Request(method, self.site + whole, **more))
        settings = self._session.merge_environment_settings(call.url, {}, stream, None, None)
        for attempt in range(TRIES):
            last = attempt == TRIES - 1 or not again
            try:
                answer = self._session.send(
                    call, timeout=SECONDS, allow_redirects=False, **settings
                )
            except requests.RequestException as error:
                if last:
                    raise ServerFailed(f"{self.site} does not answer: {_reason(error)}") from error
                time.sleep(2**attempt / 4)
                continue
            if answer.status_code not in _AGAIN or last or not self._waited(answer, attempt):
                break
        if answer.status_code >= 300:
            raise _failure(answer)
        return answer

    def _waited(self, answer: requests.Response, attempt: int) -> bool:
        asked = answer.headers.get("Retry-After", "")
        seconds = float(asked) if asked.isdecimal() else 2**attempt / 4
        if seconds > LONGEST_WAIT:
            return False
        time.sleep(seconds)
        return True

    def _json(self, answer: requests.Response) -> Any:
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise ServerFailed(f"{self.site} answers with something else than JSON") from error


def whole(part: str, answer: Callable[[Mapping[str, int]], Any]) -> dict[str, Any]:
    """An answer of which one ``part`` comes in pages, with the rows of all of them.

    ``answer`` asks for it, with the page that is wanted.
    """
    found: dict[str, Any] = answer({"page": 1, "page_size": LARGEST_PAGE})
    rows, page, number = list(found[part]["results"]), found[part], 1
    while page["next"]:
        number += 1
        page = answer({"page": number, "page_size": LARGEST_PAGE})[part]
        rows += page["results"]
    return {**found, part: rows}


def _reason(error: Exception) -> str:
    """The innermost reason: the others repeat it in the words of libraries."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    inner = getattr(error, "reason", None)
    return str(inner if isinstance(inner, Exception) else error).rpartition(": ")[2]


def _failure(answer: requests.Response) -> InputFailed | ServerFailed:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    status = answer.status_code
    words = _sentence(problem) or answer.text.strip()[:300] or answer.reason or f"status {status}"
    if status == 401:
        words += " Run `lockstep login`, or set LOCKSTEP_TOKEN."
    if 300 <= status < 400:
        return ServerFailed("The server sends elsewhere: is that the address of Lockstep?")
    kind = ServerFailed if status in _SERVERS or status >= 500 else InputFailed
    return kind(words, problem or None)


def _sentence(problem: Mapping[str, Any]) -> str:
    """A problem in one or a few lines: the detail, then each field at fault."""
    lines = [str(problem.get("detail", ""))]
    if (field := problem.get("field")) and lines[0]:
        lines[0] = f"{field}: {lines[0]}"
    errors = problem.get("errors")
    if isinstance(errors, dict):
        lines += [f"  {name}: {_flat(texts)}" for name, texts in errors.items()]
    lines += [f"  {_at_fault(item)}" for item in _objects(problem.get("operations"))]
    if conflicts := _objects(problem.get("conflicts")):
        lines.append(f"Changed by others too, up to version {problem.get('current_version')}:")
        lines += [f"  {_both_sides(item)}" for item in conflicts]
    meanwhile = problem.get("meanwhile")
    if isinstance(meanwhile, list) and meanwhile:
        lines.append("Meanwhile others changed:")
        lines += [f"  {item.get('label')}" for item in meanwhile[:20] if isinstance(item, dict)]
    return "\n".join(line for line in lines if line)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return (
        [item for item in value[:20] if isinstance(item, dict)] if isinstance(value, list) else []
    )


def _at_fault(item: Mapping[str, Any]) -> str:
    return f"operation {item.get('index')}, {item.get('field')}: {item.get('message')}"


def _both_sides(item: Mapping[str, Any]) -> str:
    base, mine, theirs = (repr(item.get(side)) for side in ("base", "mine", "theirs"))
    return f"{item.get('path')}: was {base}, mine {mine}, theirs {theirs}"


def _flat(texts: Any) -> str:
    return " ".join(map(str, texts)) if isinstance(texts, list) else str(texts)
