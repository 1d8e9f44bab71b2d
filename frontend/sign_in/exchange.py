"""Asking the provider who somebody is: OpenID Connect's authorization code flow, with PKCE.

Authlib speaks the protocol and checks signature, nonce, times and the token's form. What this site
asks for besides is here: the issuer that was configured, itself as the audience, a signature of a
key pair.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client.errors import MismatchingStateError, OAuthError
from authlib.integrations.django_client import DjangoIntegration, DjangoOAuth2App
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.translation import gettext as _
from joserfc.errors import JoseError

from frontend.sign_in.provider import Provider
from machines.emulator.terminal import harmless

_log = logging.getLogger(__name__)
_PATIENCE = 10  # seconds
_LONGEST = 500  # characters of an error that are logged
_IN_BODY = "client_secret_post"
#: Signatures that only the provider can make; never "none", nor one by a shared secret.
_SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")


class SignInFailed(Exception):
    """The provider's word was not got or does not hold; the text is for people.

    ``status``: 400 somebody's own doing, 403 refused, 502 the provider's fault.
    """

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class _Client(DjangoOAuth2App):  # type: ignore[misc]
    """A provider's client. ``issuer``: who it has to be."""

    issuer: str
    server_metadata: dict[str, Any]

    def load_server_metadata(self) -> Any:
        if "_loaded_at" in self.server_metadata:
            return self.server_metadata
        metadata = super().load_server_metadata()
        try:
            self._check(metadata)
        except ValueError:
            self.server_metadata = {}  # asked again the next time
            raise
        return metadata

    def _check(self, metadata: dict[str, Any]) -> None:
        if metadata.get("issuer") != self.issuer:
            raise ValueError(f"it calls itself {metadata.get('issuer')!r}, not {self.issuer!r}")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(metadata.get(name), str):
                raise ValueError(f"its description has no {name}")
        offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        usable = [name for name in _SIGNATURES if name in offered]
        if not usable:
            raise ValueError("it signs by no algorithm of key pairs")
        metadata["id_token_signing_alg_values_supported"] = usable
        ways = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if "client_secret_basic" not in ways and _IN_BODY in ways:
            self.client_kwargs["token_endpoint_auth_method"] = _IN_BODY


@lru_cache(maxsize=4)
def _client(provider: Provider) -> _Client:
    client = _Client(
        DjangoIntegration("oidc"),
        name="oidc",
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        server_metadata_url=provider.discovery,
        client_kwargs={
            "scope": "openid profile email",
            "code_challenge_method": "S256",
            "default_timeout": _PATIENCE,
        },
    )
    client.issuer = provider.issuer
    return client


def begin(provider: Provider, request: HttpRequest, back: str) -> HttpResponseRedirect:
    """Lead to the provider, which leads ``back``. Raises SignInFailed."""
    try:
        answer: HttpResponseRedirect = _client(provider).authorize_redirect(request, back)
    except (requests.RequestException, AuthlibBaseError, ValueError, RuntimeError) as error:
        raise _unusable(error) from error
    return answer


def claims(provider: Provider, request: HttpRequest) -> dict[str, Any]:
    """What the provider says of who came back; its token has been checked. Raises SignInFailed."""
    client = _client(provider)
    try:
        token = client.authorize_access_token(
            request,
            claims_options={
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": provider.client_id},
                "sub": {"essential": True},
            },
        )
        told = token.get("userinfo")
        return dict(told) if told else _nothing()
    except MismatchingStateError as error:
        text = _("This sign-in was not begun in this browser, or too long ago. Begin it again.")
        raise SignInFailed(text, 400) from error
    except OAuthError as error:
        if "error" not in request.GET:  # it is this service that was refused, not the person
            raise _unusable(error) from error
        _log.warning("Sign-in refused by %s: %s", provider.issuer, _line(error))
        raise SignInFailed(_("The provider did not let you in."), 403) from error
    except JoseError as error:
        _log.warning("Token of %s does not hold: %s", provider.issuer, _line(error))
        raise SignInFailed(_("What the provider says of you does not hold."), 403) from error
    except (requests.RequestException, AuthlibBaseError, ValueError, RuntimeError) as error:
        raise _unusable(error) from error


def _line(error: Exception) -> str:
    """What an error says, for the log: anybody may have written it, in the address that leads back
    from the provider."""
    return harmless(" ".join(str(error).split()))[:_LONGEST]


def _nothing() -> dict[str, Any]:
    raise ValueError("its answer holds no ID token")


def _unusable(error: Exception) -> SignInFailed:
    _log.warning("The provider cannot be used: %s", _line(error))
    return SignInFailed(_("The provider does not answer as it should. Try again later."), 502)
