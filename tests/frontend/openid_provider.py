"""A small OpenID Connect provider over HTTP, which lets everybody in, and tells what it is told to.

It holds to its side of the flow: it checks the redirect, the client's secret, and the proof of
PKCE. ``told`` are the claims of whoever comes next; ``wrong`` spoils its tokens in one way.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "lockstep", "a secret of the client"
_KEY = RSAKey.generate_key(2048, {"kid": "one"})
_OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one"})


@dataclass(slots=True)
class OpenIdProvider:
    """``wrong``: nonce, audience, issuer, expired, signature, unsigned, no-token or silent."""

    url: str
    told: dict[str, Any] = field(default_factory=lambda: {"sub": "1001"})
    wrong: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        return {
            "issuer": "https://else.example" if self.wrong == "metadata" else self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "none"],
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """The person agrees at once; returns where their browser is sent."""
        assert (asked["client_id"], asked["response_type"]) == (CLIENT, "code")
        assert (asked["code_challenge_method"], "openid" in asked["scope"].split()) == (
            "S256",
            True,
        )
        code = secrets.token_urlsafe()
        self.codes[code] = asked
        answer = urlencode({"code": code, "state": asked["state"]})
        return f"{asked['redirect_uri']}?{answer}"

    def token(self, authorization: str, sent: dict[str, str]) -> tuple[int, dict[str, str]]:
        wanted = base64.b64encode(f"{CLIENT}:{SECRET}".replace(" ", "+").encode()).decode()
        plain = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.codes.pop(sent["code"], None)
        if authorization not in (f"Basic {wanted}", f"Basic {plain}") or asked is None:
            return 401, {"error": "invalid_client"}
        digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (proof, sent["redirect_uri"]) != (asked["code_challenge"], asked["redirect_uri"]):
            return 400, {"error": "invalid_grant"}
        answer = {"access_token": "opens nothing", "token_type": "Bearer"}
        if self.wrong != "no-token":
            answer["id_token"] = self._id_token(asked["nonce"])
        return 200, answer

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": "https://else.example" if self.wrong == "issuer" else self.url,
            "aud": "somebody-else" if self.wrong == "audience" else CLIENT,
            "iat": now - 7200,
            "exp": now - 3600 if self.wrong == "expired" else now + 300,
            "nonce": "another" if self.wrong == "nonce" else nonce,
        }
        if self.wrong == "unsigned":
            parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims | self.told)]
            plain = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
            return ".".join([*plain, ""])
        key = _OTHER_KEY if self.wrong == "signature" else _KEY
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims | self.told, key)


class _Handler(BaseHTTPRequestHandler):
    provider: OpenIdProvider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if self.provider.wrong == "silent":
            return self._answer(503, {})
        if parts.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.provider.authorize(_single(parts.query)))
            self.end_headers()
            return None
        if parts.path == "/keys":
            return self._answer(200, {"keys": [_KEY.as_dict(private=False)]})
        return self._answer(200, self.provider.describe())

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answer = self.provider.token(self.headers["Authorization"], _single(sent))
        self._answer(*answer)

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a test tells what went wrong itself."""


def _single(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def serve() -> tuple[OpenIdProvider, ThreadingHTTPServer]:
    """A provider on a free port of this machine; shut the server down in the end."""
    handler = type("_Own", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.provider = OpenIdProvider(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return handler.provider, server
