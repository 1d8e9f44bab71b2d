"""A server that is not what it seems: it writes no file of yours and gets nothing else signed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from frontend.cli.main import main
from tests.policy.signing_keys import TestKey, made_key

API = "/api/v1/"
LATEST = f"{API}bundles/down/1.2/latest/"
DOWNLOAD = f"{API}bundles/down/1.2/r1/download"

Answers = dict[str, Any]
AtTerminal = Callable[..., tuple[int, str, str]]


class Server(ThreadingHTTPServer):
    """Answers each address with what ``answers`` has for it: bytes, or JSON; else with 500.
    ``posted`` is what it was sent, ``keys`` what each call showed to be let in."""

    answers: Answers
    posted: list[bytes]
    keys: set[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.keys.add(self.headers["Authorization"])
        found = self.server.answers.get(self.path.partition("?")[0])
        content = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.send_response(200 if found is not None else 500)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.server.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server(("127.0.0.1", 0), Handler)
    found.answers, found.posted, found.keys = {}, [], set()
    threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def run(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AtTerminal:
    monkeypatch.setenv("LOCKSTEP_SITE", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("LOCKSTEP_CONFIG", str(tmp_path / "config.toml"))

    def at_terminal(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        told = capsys.readouterr()
        return status, told.out, told.err

    return at_terminal


def told(filename: str) -> Answers:
    return {LATEST: {"filename": filename, "revision": 1, "size": 3}, DOWNLOAD: b"bad"}


@pytest.mark.parametrize("name", ["../kept", "{folder}/kept", "kept", "lockstep-a/../../kept", ""])
def test_a_bundle_is_written_into_the_folder_alone(
    server: Server, run: AtTerminal, tmp_path: Path, name: str
) -> None:
    kept, folder = tmp_path / "kept", tmp_path / "bundles"
    kept.write_text("mine")
    server.answers = told(name.format(folder=tmp_path))
    status, _out, err = run("bundle", "download", "down/1.2", "-o", str(folder))
    assert (status, kept.read_text()) == (3, "mine")
    assert "no bundle is called" in err
    assert not list(folder.iterdir())


def test_a_server_that_stops_in_the_middle_leaves_nothing_behind(
    server: Server, run: AtTerminal, tmp_path: Path
) -> None:
    keys, folder = tmp_path / "keys.asc", tmp_path / "bundles"
    keys.write_text("")
    server.answers = told("lockstep-down-1.2-r1.tar.gz")
    fetch = ("bundle", "download", "down/1.2", "-o", str(folder), "--keys", str(keys))
    assert run(*fetch)[0] == 3
    assert not list(folder.iterdir())


@pytest.fixture(scope="module")
def key() -> Iterator[TestKey]:
    with made_key() as made:
        yield made


INDEX = {"schema": 1, "serial": 6, "issued": "2026-01-01T00:00:00+00:00", "bundles": []}
INDEX |= {"expires": "2026-02-01T00:00:00+00:00", "revocations": []}


@pytest.mark.parametrize(
    "content",
    [
        b"\x1f\x8b a bundle of theirs",
        json.dumps(INDEX).encode(),
        (json.dumps(INDEX, sort_keys=True, separators=(",", ":")) + "\n").encode(),
    ],
)
def test_nothing_but_the_index_that_waits_is_signed(
    server: Server, run: AtTerminal, key: TestKey, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("GNUPGHOME", key.home)
    server.answers = {
        f"{API}bundles/index/": {"published": None, "waiting": {"serial": 7}},
        f"{API}bundles/index-7.json": content,
    }
    assert run("bundle", "sign-index", "--key", key.fingerprint)[0] == 3
    assert server.posted == []


@pytest.mark.parametrize(("token", "shown"), [("lockstep_x", "Bearer lockstep_x"), ("", None)])
def test_it_sees_the_token_and_no_password_of_the_host(
    server: Server,
    run: AtTerminal,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    token: str,
    shown: str | None,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("LOCKSTEP_TOKEN", token)
    server.answers = {f"{API}bundles/": []}
    assert run("bundle", "list")[0] == 0
    assert server.keys == {shown}


def test_its_words_command_no_terminal(server: Server, run: AtTerminal) -> None:
    rows = [{"filename": "\x1b[2Ja", "tree": "\x9b1m", "version": "1", "revision": 1, "size": 1}]
    server.answers = {f"{API}bundles/": rows}
    for more in ((), ("--json",)):
        status, out, err = run("bundle", "list", *more)
        assert (status, err) == (0, "")
        assert not {"\x1b", "\x9b"} & set(out)
