"""The index of all bundles: the published one, the one that waits to be signed, its signature."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import person_of
from frontend.api.base import AnyAnswer, Api, given
from frontend.api.serializers import ProblemSerializer
from frontend.api.shapes import ArmoredSerializer
from frontend.downloads import bundles as downloads
from policy.models import BundleIndex
from policy.publishing import signing


class OneIndexSerializer(serializers.ModelSerializer[BundleIndex]):
    """An index, by its serial."""

    class Meta:
        model = BundleIndex
        fields = ("serial", "created_at", "expires_at")


class IndexStateSerializer(serializers.Serializer[Any]):
    """The index that is handed out, and the one that waits to be signed; each may be null."""

    published = OneIndexSerializer(allow_null=True)
    waiting = OneIndexSerializer(allow_null=True)


class BundleIndexFile(Api):
    """The published index of all bundles and of what is revoked, as it was signed."""

    content_negotiation_class = AnyAnswer

    @extend_schema(responses={(200, "application/json"): OpenApiTypes.OBJECT})
    def get(self, request: Request) -> HttpResponse:
        return downloads.index()


class BundleIndexSignature(Api):
    """Its signature; 404 while none is made."""

    content_negotiation_class = AnyAnswer

    @extend_schema(responses={(200, "application/pgp-signature"): OpenApiTypes.STR})
    def get(self, request: Request) -> HttpResponse:
        return downloads.index_signature()


class BundleIndexState(Api):
    """Which index is handed out, and whether one waits to be signed."""

    @extend_schema(responses=IndexStateSerializer)
    def get(self, request: Request) -> Response:
        return Response(_state())


class BundleIndexOf(Api):
    """The index of one serial, such as the one that waits to be signed offline."""

    content_negotiation_class = AnyAnswer

    @extend_schema(responses={(200, "application/json"): OpenApiTypes.OBJECT})
    def get(self, request: Request, serial: int) -> HttpResponse:
        return downloads.index_of(serial)


class BundleIndexSign(Api):
    """Hand in a signature of an index that was made offline."""

    @extend_schema(
        request=ArmoredSerializer, responses={200: IndexStateSerializer, 422: ProblemSerializer}
    )
    def post(self, request: Request, serial: int) -> Response:
        armored = given(ArmoredSerializer, request)["signature"].encode()
        signing.attach_to_index(serial, armored, person_of(request))
        return Response(_state())


def _state() -> Any:
    found = {"published": signing.published_index(), "waiting": signing.waiting_index()}
    return IndexStateSerializer(found).data
