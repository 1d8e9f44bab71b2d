"""The library of features."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import named_release, person_of
from frontend.api import documents
from frontend.api.base import Api, given
from frontend.api.changes import PROBLEMS
from frontend.filters import FeatureFilter
from policy import edits
from policy.inputs import MAX_VALUE, MAX_WORDS
from policy.models import Feature

#: Fields that a carrier may name.
MAX_FIELDS = 500


class FeatureSerializer(serializers.ModelSerializer[Feature]):
    """A feature of a device type: ``carriers`` of its state, and the ``gate`` that switches it."""

    introduced = serializers.CharField(source="introduced.label")
    created_by = serializers.CharField(source="created_by.username")
    carriers = documents.CarrierSerializer(many=True)
    gate = documents.GateSerializer(allow_null=True)

    class Meta:
        model = Feature
        fields: ClassVar = [
            "slug",
            "title",
            "description",
            "device",
            "carriers",
            "gate",
            "introduced",
            "created_by",
            "created_at",
        ]


class GivenCarrierSerializer(serializers.Serializer[Any]):
    """What carries a feature's state: ``version`` of a section and the ``fields`` that came with
    it, or a ``subsection`` of its own."""

    section = serializers.CharField(max_length=MAX_WORDS)
    version = serializers.IntegerField(min_value=0, allow_null=True, default=None)
    fields = serializers.ListField(  # type: ignore[assignment]
        child=serializers.CharField(max_length=MAX_WORDS), default=list, max_length=MAX_FIELDS
    )
    subsection = serializers.BooleanField(default=False)


class GivenGateSerializer(serializers.Serializer[Any]):
    """The property that switches a feature, and the value that switches it on."""

    driver = serializers.CharField(max_length=255)
    property = serializers.CharField(max_length=255)
    on = serializers.CharField(max_length=MAX_VALUE)


class RecordSerializer(serializers.Serializer[Any]):
    """``release`` is the label of the release that introduced the feature."""

    release = serializers.CharField(max_length=100)
    slug = serializers.CharField(max_length=100)
    title = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=MAX_WORDS, default="", allow_blank=True)
    device = serializers.CharField(max_length=255)
    carriers = GivenCarrierSerializer(many=True, default=list)
    gate = GivenGateSerializer(allow_null=True, default=None)


class Features(Api, generics.ListAPIView[Any]):
    """The library of features, by device."""

    serializer_class = FeatureSerializer
    filterset_class = FeatureFilter
    search_fields = ("slug", "title", "device")
    ordering_fields = ("slug", "title", "device", "created_at")

    def get_queryset(self) -> QuerySet[Any]:
        return Feature.objects.select_related("introduced__tree", "created_by")

    @extend_schema(
        request=RecordSerializer,
        responses={201: FeatureSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Record a feature, as ``release`` introduced it: any maintainer may."""
        data = given(RecordSerializer, request)
        release = named_release(request.user, data.pop("release"), "release")
        recorded = edits.record_feature(person_of(request), release, **data)
        return Response(FeatureSerializer(recorded).data, status=201)


class FeatureDetail(Api, generics.RetrieveAPIView[Any]):
    """One feature."""

    serializer_class = FeatureSerializer
    lookup_field = "slug"
    queryset = Feature.objects.select_related("introduced__tree", "created_by")
