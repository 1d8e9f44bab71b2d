"""The library of features."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import generics, serializers

from frontend.api.base import Api
from frontend.filters import FeatureFilter
from policy.models import Feature


class FeatureSerializer(serializers.ModelSerializer[Feature]):
    """A feature of a device type: ``carriers`` of its state, and the ``gate`` that switches it."""

    introduced = serializers.CharField(source="introduced.label")
    created_by = serializers.CharField(source="created_by.username")
    carriers = serializers.ListField(child=serializers.DictField())
    gate = serializers.DictField(allow_null=True)

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


class Features(Api, generics.ListAPIView[Any]):
    """The library of features, by device."""

    serializer_class = FeatureSerializer
    filterset_class = FeatureFilter
    search_fields = ("slug", "title", "device")
    ordering_fields = ("slug", "title", "device", "created_at")

    def get_queryset(self) -> QuerySet[Any]:
        return Feature.objects.select_related("introduced__tree", "created_by")


class FeatureDetail(Api, generics.RetrieveAPIView[Any]):
    """One feature."""

    serializer_class = FeatureSerializer
    lookup_field = "slug"
    queryset = Feature.objects.select_related("introduced__tree", "created_by")
