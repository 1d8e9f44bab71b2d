"""What every view of the API has in common: who may ask, what is read, how errors are told."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.forms import BaseForm
from django.utils.datastructures import MultiValueDict
from rest_framework import serializers
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from frontend.api import preconditions, repeating, throttling
from frontend.api.problems import problem_handler
from frontend.api.scopes import HasScope
from policy.errors import Invalid
from policy.permissions import may


class IsMember(BasePermission):
    """Whoever has a role in any tree."""

    message = "You have no role in any tree."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return may(request.user, "view", None)


class Body(JSONParser):
    """JSON; what nests deeper than Python recurses is the sender's fault."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().parse(*args, **kwargs)
        except RecursionError as error:
            raise ParseError("The JSON nests too deep.") from error


class AnyAnswer(DefaultContentNegotiation):
    """For a file, which is what it is: ``Accept`` does not choose, and nothing is refused."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


class Api(APIView):
    """What all have in common: who may ask, and how errors are told."""

    permission_classes = [IsAuthenticated, IsMember, HasScope]
    parser_classes = [Body]
    #: Whether an ``Idempotency-Key`` is taken: it keeps the answer for a day.
    remembers_answers = True

    def perform_authentication(self, request: Request) -> None:
        """Find out who asks; each call is counted, one with a wrong token as anybody's."""
        try:
            super().perform_authentication(request)
        except APIException:
            throttling.count(request)
            raise
        throttling.count(request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the call in, and put before what writes what the call asked to be sure of."""
        super().initial(request, *args, **kwargs)
        name = (request.method or "").lower()
        handler = getattr(self, name, None)
        if request.method in SAFE_METHODS or handler is None:
            return
        handler = preconditions.held(handler)
        if request.method == "POST" and repeating.HEADER in request.headers:
            handler = repeating.once(handler) if self.remembers_answers else repeating.refused
        setattr(self, name, handler)

    def get_exception_handler(self) -> Any:
        return problem_handler

    def handle_exception(self, exc: Exception) -> Response:
        # Whatever an address answers with, its problems are JSON.
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return super().handle_exception(exc)

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        if (tag := preconditions.told(getattr(response, "data", None))) is not None:
            response["ETag"] = tag
        response.headers.setdefault("Cache-Control", "no-store")
        return response


# --- What is sent ---------------------------------------------------------------------------------

#: What a field takes in JSON. A form knows text alone, where the field reads it.
_TYPES: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], type, str], ...] = (
    (serializers.BooleanField, bool, "Send true or false."),
    (serializers.IntegerField, int, "Send a whole number."),
    (serializers.CharField, str, "Send text."),
)


def given(kind: type[serializers.Serializer[Any]], request: Request) -> Any:
    """What was sent, in the shape of a serializer; an edit with its version.

    Raises ValidationError, or PreconditionRequired.
    """
    data = request.data
    if preconditions.VERSION in kind._declared_fields:
        data = preconditions.with_version(data, request)
    sent = kind(data=data)
    if isinstance(data, dict) and not isinstance(data, MultiValueDict):
        _check_types(sent, data)
    sent.is_valid(raise_exception=True)
    return sent.validated_data


def _check_types(sent: serializers.Serializer[Any], data: dict[str, Any]) -> None:
    """Refuse what a field would take for something else: 5 for "5", "yes" for true."""
    wrong = {}
    for name, field in sent.fields.items():
        value = data.get(name)
        for kind, taken, words in _TYPES:
            if isinstance(field, kind) and value is not None and type(value) is not taken:
                wrong[name] = [words]
    if wrong:
        raise ValidationError(wrong)


def check_form(form: BaseForm) -> None:
    """Raises ValidationError with what a page's form finds wrong in each field, or Invalid where
    that is about no single field.
    """
    if form.is_valid():
        return
    errors = {name: [str(text) for text in texts] for name, texts in form.errors.items()}
    whole = errors.pop(NON_FIELD_ERRORS, [])
    if errors:
        raise ValidationError(errors)
    raise Invalid(" ".join(whole))
