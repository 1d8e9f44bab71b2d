"""Webhooks are told by a worker: signed, until they are taken, and never into a private network."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.contrib.auth.models import User
from django.utils import timezone

from machines.models import Tree
from policy.messages import webhooks
from policy.models import Delivery, Membership, Role, Webhook
from workers import deliveries, jobs, outgoing, tasks


@dataclass
class Receiver:
    """A real web server: what it got, and the statuses that it answers with, the last for ever."""

    url: str
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=lambda: [204])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.got.append((dict(self.headers), body))
            status = told.statuses.pop(0) if len(told.statuses) > 1 else told.statuses[0]
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    told = Receiver(f"http://127.0.0.1:{server.server_port}/hook?a=1")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()


@pytest.fixture
def webhook(db: None, receiver: Receiver, settings: Any) -> Webhook:
    settings.LOCKSTEP_WEBHOOK_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    tree = Tree.objects.create(name="down")
    person = User.objects.create(username="administrator")
    Membership.objects.create(user=person, tree=tree, role=Role.ADMINISTRATOR)
    return webhooks.add(tree, person, receiver.url, ["published"])[0]


def pinged(webhook: Webhook) -> Delivery:
    return webhooks.ping(webhook, webhook.created_by)


def test_it_is_signed_and_taken(webhook: Webhook, receiver: Receiver) -> None:
    delivery = pinged(webhook)
    assert deliveries.send(delivery)
    [(headers, body)] = receiver.got
    moment = int(headers["X-Lockstep-Signature"].partition(",")[0].removeprefix("t="))
    secret = webhooks.secret_of(webhook)
    assert headers["X-Lockstep-Signature"] == webhooks.signature(secret, body, moment)
    assert headers["X-Lockstep-Delivery"] == str(delivery.identity)
    assert body == delivery.body.encode()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.due_at, delivery.error) == (204, None, "")


def test_what_fails_is_due_again_later_and_given_up_in_the_end(
    webhook: Webhook, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    delivery = pinged(webhook)
    waits = []
    for _attempt in range(len(deliveries.WAITS)):
        before = timezone.now()
        assert not deliveries.send(delivery)
        delivery.refresh_from_db()
        assert delivery.due_at is not None
        waits.append(delivery.due_at - before)
        assert delivery not in deliveries.due()
    assert waits == sorted(waits)
    assert not deliveries.send(delivery)
    delivery.refresh_from_db()
    assert (delivery.due_at, delivery.status) == (None, 500)
    assert "500" in delivery.error
    receiver.statuses = [200]
    again = webhooks.repeat(delivery, webhook.created_by)
    assert list(deliveries.due()) == [again]
    assert deliveries.send(again)
    assert receiver.got[0][1] == receiver.got[-1][1]


def test_who_does_not_answer_keeps_nobody_else_waiting(
    webhook: Webhook, receiver: Receiver
) -> None:
    gone, _secret = webhooks.add(webhook.tree, webhook.created_by, answering(), ["published"])
    unsent = [pinged(gone) for _ in range(3)]
    delivery = pinged(webhook)
    job = jobs.enqueue_deliveries()
    tasks.run_deliveries(job.pk)
    job.refresh_from_db()
    assert job.result == {"taken": 1, "left": 1}
    delivery.refresh_from_db()
    assert delivery.status == 204
    attempts = Delivery.objects.filter(webhook=gone).order_by("id").values_list("attempts")
    assert [made for (made,) in attempts] == [1, 0, 0]
    assert list(deliveries.due()) == unsent[1:]


def test_a_redirection_is_not_followed(webhook: Webhook, receiver: Receiver) -> None:
    receiver.statuses = [302]
    assert not deliveries.send(pinged(webhook))
    assert len(receiver.got) == 1


def test_an_address_that_is_no_longer_allowed(
    webhook: Webhook, receiver: Receiver, settings: Any
) -> None:
    delivery = pinged(webhook)
    settings.LOCKSTEP_WEBHOOK_NETWORKS = []
    assert not deliveries.send(delivery)
    assert receiver.got == []
    delivery.refresh_from_db()
    assert "LOCKSTEP_WEBHOOK_NETWORKS" in delivery.error


def test_a_name_that_leads_inside_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever name it hides behind, and if only one of its addresses is a private one."""
    found = [(0, 0, 0, "", ("93.184.216.34", 443)), (0, 0, 0, "", ("10.0.0.7", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(outgoing.Unreachable, match=r"10\.0\.0\.7"):
        outgoing.post("https://inside.example.org/", b"{}", {})


def answering(*drops: bytes, every: float = 0.05) -> str:
    """The address of a receiver that answers once, with these bytes one after the other."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with server, server.accept()[0] as connection, contextlib.suppress(OSError):
            connection.recv(4096)
            for drop in drops:
                connection.sendall(drop)
                time.sleep(every)

    threading.Thread(target=answer, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/"


@pytest.mark.parametrize(
    ("drops", "status"),
    [
        ((b"HTTP/1.1 20", b"4 \r\n"), 204),
        ((b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n"), 500),
    ],
)
def test_an_answer_in_parts(webhook: Webhook, drops: tuple[bytes, ...], status: int) -> None:
    assert outgoing.post(answering(*drops), b"{}", {}) == status


@pytest.mark.parametrize(
    "drops", [(b"SSH-2.0\r\n",), (b"HTTP/1.1 ", b""), (b"HTTP/" + b"x" * 99_999,)]
)
def test_what_is_no_web_server(webhook: Webhook, drops: tuple[bytes, ...]) -> None:
    with pytest.raises(outgoing.Unreachable):
        outgoing.post(answering(*drops), b"{}", {})


def test_who_answers_by_drops_holds_no_worker(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "SECONDS", 0.2)
    begun = time.monotonic()
    with pytest.raises(outgoing.Unreachable):
        outgoing.post(answering(b"HTTP/1.1 103 x\r\n", *[b"a"] * 100), b"{}", {})
    assert time.monotonic() - begun < 3


def test_a_certificate_that_nobody_vouches_for(webhook: Webhook, tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(self_signed(tmp_path / "certificate.pem"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_handshake, args=(server, context), daemon=True).start()
        with pytest.raises(outgoing.Unreachable, match="certificate"):
            outgoing.post(f"https://127.0.0.1:{server.getsockname()[1]}/", b"{}", {})


def self_signed(target: Path) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    plain = (PrivateFormat.PKCS8, NoEncryption())
    target.write_bytes(
        key.private_bytes(Encoding.PEM, *plain) + certificate.public_bytes(Encoding.PEM)
    )
    return target


def _handshake(server: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError), server.accept()[0] as plain:
        context.wrap_socket(plain, server_side=True).recv(1)


@pytest.mark.parametrize(
    "address", ["https://例え.example/", "http://127.0.0.1:1/例", "https://a..b/"]
)
def test_an_address_that_cannot_be_sent_to_stops_nobody_else(
    webhook: Webhook, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(0, 0, 0, "", ("127.0.0.1", 1))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(outgoing.Unreachable):
        outgoing.post(address, b"{}", {})


def test_nobody_listens(webhook: Webhook) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    webhooks.change(webhook, webhook.created_by, f"http://127.0.0.1:{port}/", ["published"])
    delivery = pinged(webhook)
    assert not deliveries.send(delivery)
    delivery.refresh_from_db()
    assert delivery.status is None
    assert delivery.error
