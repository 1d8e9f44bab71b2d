"""Webhooks are told by a worker: signed, until they are taken, and never into a private network."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from machines.models import Tree
from policy.messages import webhooks
from policy.models import Delivery, Membership, Role, Webhook
from workers import deliveries, outgoing


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
