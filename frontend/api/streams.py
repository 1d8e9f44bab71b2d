"""Streams: uploads, what is in one, and whether a release would load it; a trial's, made again."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as Refused
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.exceptions import APIException
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from frontend import uploads
from frontend.access import person_of, visible_stream, visible_trial
from frontend.actions import streams as actions
from frontend.actions import trials
from frontend.api.base import Api, given
from frontend.api.serializers import JobSerializer, ProblemSerializer, TrialSerializer
from frontend.api.stream_shapes import (
    KeptStreamSerializer,
    PartDetailSerializer,
    PartSerializer,
    QuestionSerializer,
    ShareSerializer,
    StreamVerdictSerializer,
    UploadedStreamSerializer,
    VariantSerializer,
)
from frontend.forms.streams import properties_of
from frontend.shown.anatomy import shown_value
from machines import kept_streams
from machines.models import Stream, StreamPart, Tree
from policy.errors import Invalid
from policy.models import StreamVerdict
from policy.trials import recordings
from policy.trials import streams as policy_streams
from workers import jobs


class TooLarge(APIException):
    """The upload is larger than one may be."""

    status_code = 413
    default_code = "too_large"


# --- Uploads --------------------------------------------------------------------------------------


class Streams(Api, generics.ListAPIView[Any]):
    """Uploads of the person's own, and those shared with a tree of theirs, the newest first."""

    serializer_class = KeptStreamSerializer
    parser_classes = [MultiPartParser]
    search_fields = ("name", "machine_type")
    ordering_fields = ("id", "name", "size", "created_at", "expires_at")
    #: A file may be read once.
    remembers_answers = False
    _upload: uploads.StreamUpload | None = None

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return Stream.objects.none()
        rows = policy_streams.visible_to(person_of(self.request))
        return rows.select_related("owner", "tree")

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        # Before anything reads the form: whoever asks, no more is read than an upload may have.
        if request.method == "POST":
            self._upload = uploads.receive(request)
        return super().initialize_request(request, *args, **kwargs)

    def finalize_response(self, *args: Any, **kwargs: Any) -> Response:
        # However the call ended: what was not taken over is gone.
        if self._upload is not None:
            self._upload.discard()
        return super().finalize_response(*args, **kwargs)

    @extend_schema(
        request={"multipart/form-data": UploadedStreamSerializer},
        responses={202: KeptStreamSerializer, 413: ProblemSerializer, 422: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """Upload a stream; a job reads it. Its guest memory is counted and thrown away."""
        user = person_of(request)
        policy_streams.require_room(user)
        if uploads.announces_too_much(request._request):
            raise TooLarge(uploads.too_large())
        sent = UploadedStreamSerializer(data=request.data)
        if self._upload is not None and self._upload.too_large:
            raise TooLarge(uploads.too_large())
        sent.is_valid(raise_exception=True)
        file = sent.validated_data["file"]
        if not isinstance(file, uploads.ReceivedFile):
            raise Invalid("Send the stream as a file.", field="file")
        stream = actions.take_in(user, file)
        return Response(KeptStreamSerializer(stream).data, status=202)


class StreamDetail(Api):
    """One stream: an upload, or that of a trial."""

    @extend_schema(responses=KeptStreamSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """A stream, and how far it could be read."""
        return Response(KeptStreamSerializer(_readable(request, pk)).data)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Take an upload away, with the verdicts on it."""
        user = person_of(request)
        policy_streams.delete(user, visible_stream(user, pk))
        return Response(status=204)


class StreamShare(Api):
    """Who else sees an upload."""

    @extend_schema(request=ShareSerializer, responses=KeptStreamSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Let the people of a tree look at an upload, or nobody."""
        user = person_of(request)
        name = given(ShareSerializer, request)["tree"]
        tree = None
        if name is not None and (tree := Tree.objects.filter(name=name).first()) is None:
            raise Invalid("There is no such tree.", field="tree")
        stream = policy_streams.share(user, visible_stream(user, pk), tree)
        return Response(KeptStreamSerializer(stream).data)


class StreamParts(Api, generics.ListAPIView[Any]):
    """The parts of a stream in their order."""

    serializer_class = PartSerializer
    search_fields = ("name", "driver")
    ordering_fields = ("number", "name", "size", "offset", "lost")

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return StreamPart.objects.none()
        stream = _readable(self.request, self.kwargs["pk"])
        return stream.parts.defer("content", "detail").order_by("number")


class StreamPartDetail(Api):
    """One part of a stream."""

    @extend_schema(responses=PartDetailSerializer)
    def get(self, request: Request, pk: int, number: int) -> Response:
        """A part with every run of its bytes: what it is, and its value."""
        part = _readable(request, pk).parts.filter(number=number).first()
        if part is None:
            raise Http404
        found = kept_streams.opened(part)
        pieces = []
        for place, item in enumerate(found.pieces):
            arrival = found.arrivals.get(place)
            there = arrival.found if arrival is not None else None
            pieces.append(
                {
                    "name": item.name,
                    "kind": item.kind,
                    "offset": part.offset + item.offset,
                    "size": item.size,
                    "inside": list(item.inside),
                    "value": shown_value(item, found.content),
                    "fate": arrival.fate if arrival is not None else None,
                    "found": there.hex() if there is not None else None,
                }
            )
        told = PartSerializer(part).data
        return Response({**told, "pieces": pieces, "content": found.content.hex()})


class StreamVerdicts(Api, generics.ListAPIView[Any]):
    """Whether releases would load an upload: what was asked, the newest first, with the answers."""

    serializer_class = StreamVerdictSerializer
    search_fields = ("release__tree__name", "release__version", "machine_type")
    ordering_fields = ("id", "machine_type", "state", "created_at")

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return StreamVerdict.objects.none()
        stream = visible_stream(person_of(self.request), self.kwargs["pk"])
        return stream.verdicts.select_related("release__tree", "started_on__tree", "asked_by")

    @extend_schema(
        request=QuestionSerializer,
        responses={202: StreamVerdictSerializer, 422: ProblemSerializer},
    )
    def post(self, request: Request, pk: int) -> Response:
        """Ask whether a release would load an upload; a worker answers."""
        user = person_of(request)
        stream = visible_stream(user, pk)
        asked = dict(given(QuestionSerializer, request))
        asked["properties"] = _properties(asked["properties"], "properties")
        if asked["profile"] is not None:
            asked["profile"] = policy_streams.visible_to(user).filter(pk=asked["profile"]).first()
            if asked["profile"] is None:
                raise Invalid("There is no such stream.", field="profile")
        verdict = actions.ask(user, stream, asked)
        return Response(StreamVerdictSerializer(verdict).data, status=202)


# --- Of trials ------------------------------------------------------------------------------------


class TrialStream(Api):
    """A trial's stream."""

    @extend_schema(responses=KeptStreamSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """The trial's stream; 404 until somebody has asked for it and it was made again."""
        stream = recordings.stream_of(visible_trial(request.user, pk))
        if stream is None:
            raise Http404
        return Response(KeptStreamSerializer(stream).data)

    @extend_schema(request=None, responses={202: JobSerializer, 422: ProblemSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Have the trial's stream made again from its inputs; the answer is the job."""
        user, trial = person_of(request), visible_trial(request.user, pk)
        trials.ask_for_stream(user, trial)
        job = jobs.records_of(trial).first() or jobs.enqueue_record(trial, user)
        return Response(JobSerializer(job).data, status=202)


class TrialVary(Api):
    """A trial with other properties."""

    @extend_schema(
        request=VariantSerializer, responses={202: TrialSerializer, 422: ProblemSerializer}
    )
    def post(self, request: Request, pk: int) -> Response:
        """Hold a trial with properties set on top; the answer is the new trial."""
        asked = given(VariantSerializer, request)
        sides = {end: _properties(lines, end) for end, lines in asked.items()}
        varied = trials.vary(person_of(request), visible_trial(request.user, pk), **sides)
        return Response(TrialSerializer(varied).data, status=202)


def _properties(lines: list[str], field: str) -> Any:
    try:
        return properties_of(lines)
    except Refused as error:
        raise Invalid(" ".join(error.messages), field=field) from error


def _readable(request: Request, pk: int) -> Stream:
    """An upload that the person sees, or a trial's stream; else 404."""
    seen = Q(pk__in=policy_streams.visible_to(person_of(request)).values("pk")) | ~Q(key="")
    found = Stream.objects.select_related("owner", "tree").filter(seen, pk=pk).first()
    if found is None:
        raise Http404
    return found
