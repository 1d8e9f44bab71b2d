"""Bundles: the list, one of them, its bytes and signatures, what differs, and taking one back."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import (
    latest_bundle,
    person_of,
    visible_bundle,
    visible_bundles,
    visible_release,
)
from frontend.api.base import AnyAnswer, Api, given
from frontend.api.serializers import BundleSerializer, DifferenceSerializer, ProblemSerializer
from frontend.api.shapes import ArmoredSerializer
from frontend.downloads import bundles as downloads
from frontend.filters import BundleFilter
from frontend.numbers import number_of
from frontend.questions.bundles import files_of
from policy.errors import Invalid
from policy.models import Bundle, BundleSignature, Revocation
from policy.packing import comparing
from policy.publishing import signing


class BundledFileSerializer(serializers.Serializer[Any]):
    """A file in the archive: its path below the top folder, bytes, SHA-256."""

    path = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()


class SignatureSerializer(serializers.ModelSerializer[BundleSignature]):
    """A signature of the bundle: by which key, and since when."""

    fingerprint = serializers.CharField(source="key.fingerprint")
    owner = serializers.CharField(source="key.owner")

    class Meta:
        model = BundleSignature
        fields: ClassVar = ["fingerprint", "owner", "signed_at"]


class RevocationSerializer(serializers.ModelSerializer[Revocation]):
    """Why, by whom and when a bundle was revoked."""

    revoked_by = serializers.CharField(source="revoked_by.username")

    class Meta:
        model = Revocation
        fields: ClassVar = ["reason", "revoked_by", "revoked_at"]


class BundleDetailSerializer(BundleSerializer):
    """``revocation`` is null for a bundle that may be used."""

    files = BundledFileSerializer(many=True)
    signatures = SignatureSerializer(many=True)
    revocation = RevocationSerializer(allow_null=True, default=None)

    class Meta(BundleSerializer.Meta):
        fields: ClassVar = [*BundleSerializer.Meta.fields, "files", "signatures", "revocation"]


class BundleComparisonSerializer(serializers.Serializer[Any]):
    """``decisions`` in words; ``files`` that a build would install otherwise: path → how."""

    decisions = DifferenceSerializer(many=True)
    files = serializers.DictField(child=serializers.ChoiceField(("added", "removed", "changed")))


class ReasonSerializer(serializers.Serializer[Any]):
    """Why nobody may use the bundle any more."""

    reason = serializers.CharField(max_length=signing.MAX_REASON)


class Revoked(APIException):
    """A bundle that nobody may use any more."""

    status_code = 410


class Bundles(Api, generics.ListAPIView[Any]):
    """Bundles, the newest first."""

    serializer_class = BundleSerializer
    filterset_class = BundleFilter
    search_fields = ("filename", "sha256", "revision__digest")
    ordering_fields = ("filename", "size", "created_at")

    def get_queryset(self) -> QuerySet[Any]:
        return visible_bundles(self.request.user)


class LatestBundle(Api):
    """The newest bundle of a release that is not revoked."""

    @extend_schema(responses=BundleDetailSerializer)
    def get(self, request: Request, tree: str, version: str) -> Response:
        release = visible_release(request.user, tree, version)
        newest = latest_bundle(request.user, release)
        return _told(visible_bundle(request.user, tree, version, newest.revision.number))


class BundleDetail(Api):
    """One bundle: its files with their sums, its signatures, and whether it is revoked."""

    @extend_schema(responses=BundleDetailSerializer)
    def get(self, request: Request, tree: str, version: str, number: int) -> Response:
        return _told(visible_bundle(request.user, tree, version, number))


class BundleDownload(Api):
    """The bundle's bytes; its SHA-256 is its ETag."""

    content_negotiation_class = AnyAnswer

    @extend_schema(
        responses={(200, "application/gzip"): OpenApiTypes.BINARY, 410: ProblemSerializer}
    )
    def get(self, request: Request, tree: str, version: str, number: int) -> HttpResponse:
        found = visible_bundle(request.user, tree, version, number)
        _check_use(found)
        return downloads.archive(request._request, found)


class BundleSignatureFile(Api):
    """Its newest signature, as the file ``….tar.gz.asc``."""

    content_negotiation_class = AnyAnswer

    @extend_schema(
        responses={(200, "application/pgp-signature"): OpenApiTypes.STR, 410: ProblemSerializer}
    )
    def get(self, request: Request, tree: str, version: str, number: int) -> HttpResponse:
        found = visible_bundle(request.user, tree, version, number)
        _check_use(found)
        return downloads.signature(found)


class BundleSign(Api):
    """Hand in a signature that was made offline."""

    @extend_schema(
        request=ArmoredSerializer, responses={200: BundleDetailSerializer, 422: ProblemSerializer}
    )
    def post(self, request: Request, tree: str, version: str, number: int) -> Response:
        found = visible_bundle(request.user, tree, version, number)
        armored = given(ArmoredSerializer, request)["signature"].encode()
        signing.attach(found, armored, person_of(request))
        return _told(visible_bundle(request.user, tree, version, number))


class BundleRevoke(Api):
    """Take a bundle out of use, for good."""

    @extend_schema(
        request=ReasonSerializer, responses={200: BundleDetailSerializer, 422: ProblemSerializer}
    )
    def post(self, request: Request, tree: str, version: str, number: int) -> Response:
        found = visible_bundle(request.user, tree, version, number)
        signing.revoke(found, person_of(request), given(ReasonSerializer, request)["reason"])
        return _told(visible_bundle(request.user, tree, version, number))


class BundleDifferences(Api):
    """What differs between two bundles of a release."""

    @extend_schema(
        parameters=[
            OpenApiParameter("from", OpenApiTypes.INT, required=True, description="a revision"),
            OpenApiParameter("to", OpenApiTypes.INT, required=True, description="another one"),
        ],
        responses={200: BundleComparisonSerializer, 422: ProblemSerializer},
    )
    def get(self, request: Request, tree: str, version: str) -> Response:
        before, after = (
            visible_bundle(request.user, tree, version, _number(request, end))
            for end in ("from", "to")
        )
        found = comparing.compare(bytes(before.content), bytes(after.content))
        return Response(BundleComparisonSerializer(found).data)


def _check_use(found: Bundle) -> None:
    if found.is_revoked:
        raise Revoked(f"{found.filename} was revoked: {found.revocation.reason}")


def _number(request: Request, name: str) -> int:
    number = number_of(request.query_params.get(name, ""))
    if number is None:
        raise Invalid("Name a revision by its number.", field=name)
    return number


def _told(found: Bundle) -> Response:
    found.files = files_of(found)  # type: ignore[attr-defined]
    return Response(BundleDetailSerializer(found).data)
