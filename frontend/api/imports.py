"""Imports: what came in, and a release's own files to be read."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import named_release, person_of, visible_trees
from frontend.actions import imports
from frontend.api.base import Api, check_form
from frontend.api.serializers import JobSerializer, ProblemSerializer, SnapshotSerializer
from machines.models import Snapshot
from policy.permissions import require


class ImportedSerializer(SnapshotSerializer):
    """A snapshot, and the release that it is of."""

    release = serializers.CharField(source="release.label")
    imported_by = serializers.CharField(source="imported_by.username", default=None)

    class Meta(SnapshotSerializer.Meta):
        fields: ClassVar = ["release", *SnapshotSerializer.Meta.fields, "imported_by"]


class UploadSerializer(serializers.Serializer[Any]):
    """A release's files. ``base`` is a label (``upstream 8.0``), for a downstream's release."""

    tree = serializers.CharField()
    version = serializers.CharField(max_length=40)
    base = serializers.CharField(required=False)
    uploads = serializers.ListField(child=serializers.FileField())


class Imports(Api, generics.ListAPIView[Any]):
    """Every snapshot that was imported, the newest first."""

    serializer_class = ImportedSerializer
    parser_classes = [MultiPartParser]
    search_fields = ("release__tree__name", "release__version", "source", "qemu_version")
    ordering_fields = ("imported_at", "number")

    def get_queryset(self) -> QuerySet[Any]:
        rows = Snapshot.objects.filter(release__tree__in=visible_trees(self.request.user))
        return rows.select_related("release__tree", "imported_by").defer("content").order_by("-pk")

    @extend_schema(
        request={"multipart/form-data": UploadSerializer},
        responses={202: JobSerializer, 403: ProblemSerializer, 422: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """Read a release's files; the release is made where it is new. The answer is the job."""
        require(request.user, "import", None)
        form = imports.form_for(request.user, _as_the_page_sends(request), request.FILES)
        check_form(form)
        try:
            job = imports.start(form, person_of(request))
        except ValidationError as error:
            raise serializers.ValidationError(error.message_dict) from error
        return Response(JobSerializer(job).data, status=202)


def _as_the_page_sends(request: Request) -> Any:
    """What was sent, with the base by its number, as the form names it."""
    sent: Any = request.data.copy()
    if label := sent.get("base", ""):
        sent["base"] = str(named_release(request.user, label, "base").pk)
    return sent
