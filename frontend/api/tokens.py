"""Who you are to the API, and your tokens: made with a session, never by another token."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import person_of
from frontend.api.base import Api, given
from policy import tokens
from policy.errors import Forbidden
from policy.models import Membership, Token


class TokenSerializer(serializers.ModelSerializer[Token]):
    """``ending``: the secret's last characters. ``expires``: the last day on which it holds."""

    scopes = serializers.ListField(child=serializers.ChoiceField(Token.Scope.values))
    is_valid = serializers.BooleanField()  # type: ignore[assignment]

    class Meta:
        model = Token
        fields: ClassVar = [
            "id",
            "name",
            "scopes",
            "ending",
            "is_valid",
            "created_at",
            "expires",
            "last_used_at",
            "revoked_at",
        ]


class IssuedSerializer(TokenSerializer):
    """A new token with its ``secret``, which is told here and nowhere else."""

    secret = serializers.CharField()

    class Meta(TokenSerializer.Meta):
        fields: ClassVar = [*TokenSerializer.Meta.fields, "secret"]


class IssueSerializer(serializers.Serializer[Any]):
    """A token to issue. Every token may read; without ``expires`` it holds for 90 days."""

    name = serializers.CharField(max_length=tokens.MAX_NAME)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(Token.Scope.values), default=list, max_length=10
    )
    expires = serializers.DateField(required=False)


class HeldRoleSerializer(serializers.ModelSerializer[Membership]):
    """A role that you hold in a tree."""

    tree = serializers.CharField(source="tree.name")

    class Meta:
        model = Membership
        fields: ClassVar = ["tree", "role"]


class MeSerializer(serializers.Serializer[Any]):
    """Who asks, with which roles, and through which token (null: a session)."""

    username = serializers.CharField()
    is_superuser = serializers.BooleanField()
    roles = HeldRoleSerializer(many=True)
    token = TokenSerializer(allow_null=True)


class Me(Api):
    """Who you are to the API."""

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        person = person_of(request)
        told = {
            "username": person.get_username(),
            "is_superuser": person.is_superuser,
            "roles": person.memberships.select_related("tree").order_by("tree__name", "role"),
            "token": request.auth if isinstance(request.auth, Token) else None,
        }
        return Response(MeSerializer(told).data)


class Tokens(Api, generics.ListAPIView[Any]):
    """Your tokens, the newest first; the past ones too."""

    serializer_class = TokenSerializer
    search_fields = ("name",)
    ordering_fields = ("created_at", "expires", "last_used_at", "name")
    remembers_answers = False  # a secret is kept nowhere, not even for a call sent twice

    def get_queryset(self) -> QuerySet[Any]:
        return Token.objects.filter(user=self.request.user.pk)

    @extend_schema(request=IssueSerializer, responses={201: IssuedSerializer})
    def post(self, request: Request) -> Response:
        """Issue a token. No token may do this, and no ``Idempotency-Key`` is taken."""
        data = given(IssueSerializer, request)
        expires: date = data.get("expires") or tokens.usual_end()
        token, secret = tokens.issue(person_of(request), data["name"], data["scopes"], expires)
        address = reverse("api-token", args=[token.pk])
        told = {**TokenSerializer(token).data, "secret": secret}
        return Response(told, status=201, headers={"Location": address})


class TokenDetail(Api):
    """One of your tokens."""

    @extend_schema(responses=TokenSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return Response(TokenSerializer(self._found(request, pk)).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Revoke it. A token may revoke itself, and no other."""
        found = self._found(request, pk)
        if isinstance(request.auth, Token) and request.auth.pk != found.pk:
            raise Forbidden("A token may revoke itself alone: sign in to revoke others.")
        tokens.revoke(found, person_of(request))
        return Response(status=204)

    def _found(self, request: Request, pk: int) -> Token:
        found = Token.objects.filter(user=request.user.pk, pk=pk).first()
        if found is None:
            raise Http404
        return found
