"""Who asks: a token in ``Authorization: Bearer``, else the session of the pages.

A call by session needs the CSRF token where it does more than read; one by token needs none, as no
browser sends a token of its own accord.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from policy import tokens
from policy.models import Token


class TokenAuthentication(BaseAuthentication):
    """The person whose valid token the call carries; ``request.auth`` is the token."""

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = tokens.find(secret.strip())
        if token is None:
            raise AuthenticationFailed("The token is none, was revoked, or has expired.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Lockstep"'


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI description tells of it."""

    target_class = "frontend.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token of yours."}
