"""What every view of the API has in common: who may ask, what is read, how errors are told."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from frontend.api.problems import problem_handler
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


class Api(APIView):
    """What all have in common: who may ask, and how errors are told."""

    permission_classes = [IsAuthenticated, IsMember]
    parser_classes = [Body, FormParser, MultiPartParser]

    def get_exception_handler(self) -> Any:
        return problem_handler
