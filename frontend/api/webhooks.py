"""A tree's webhooks, for its administrators."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import administered_tree, delivery_of, person_of, webhook_of
from frontend.api.base import Api, given
from frontend.api.serializers import ProblemSerializer
from policy.messages import webhooks
from policy.models import Delivery, Webhook

_PROBLEMS = {403: ProblemSerializer, 422: ProblemSerializer}


class WebhookSerializer(serializers.ModelSerializer[Webhook]):
    """An address, and the events that it is told of."""

    events = serializers.ListField(child=serializers.ChoiceField(webhooks.EVENTS))
    created_by = serializers.CharField(source="created_by.username")

    class Meta:
        model = Webhook
        fields: ClassVar = ["id", "url", "events", "created_by", "created_at"]


class AddedSerializer(WebhookSerializer):
    """A new webhook with its ``secret``, which is told here and nowhere else."""

    secret = serializers.CharField()

    class Meta(WebhookSerializer.Meta):
        fields: ClassVar = [*WebhookSerializer.Meta.fields, "secret"]


class GivenSerializer(serializers.Serializer[Any]):
    """What a webhook is to be."""

    url = serializers.CharField(max_length=webhooks.MAX_URL)
    events = serializers.ListField(child=serializers.ChoiceField(webhooks.EVENTS), max_length=10)


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """``due_at``: when it is sent next, null for one that was taken or given up."""

    class Meta:
        model = Delivery
        fields: ClassVar = [
            "id",
            "identity",
            "event",
            "body",
            "created_at",
            "attempts",
            "due_at",
            "delivered_at",
            "status",
            "error",
        ]


class Webhooks(Api, generics.ListAPIView[Any]):
    """The webhooks of a tree; its administrators may see them."""

    serializer_class = WebhookSerializer
    search_fields = ("url", "created_by__username")
    ordering_fields = ("id", "url", "created_at")
    remembers_answers = False  # a secret is kept nowhere, not even for a call sent twice

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):  # the description is made without a request
            return Webhook.objects.none()
        tree = administered_tree(self.request.user, self.kwargs["tree"])
        return tree.webhooks.select_related("created_by")

    @extend_schema(request=GivenSerializer, responses={201: AddedSerializer, **_PROBLEMS})
    def post(self, request: Request, tree: str) -> Response:
        """Add a webhook. No ``Idempotency-Key`` is taken."""
        found, data = administered_tree(request.user, tree), given(GivenSerializer, request)
        added, secret = webhooks.add(found, person_of(request), data["url"], data["events"])
        address = reverse("api-webhook", args=[tree, added.pk])
        told = {**WebhookSerializer(added).data, "secret": secret}
        return Response(told, status=201, headers={"Location": address})


class WebhookDetail(Api):
    """One webhook."""

    @extend_schema(responses=WebhookSerializer)
    def get(self, request: Request, tree: str, pk: int) -> Response:
        return Response(WebhookSerializer(webhook_of(request.user, tree, pk)).data)

    @extend_schema(request=GivenSerializer, responses={200: WebhookSerializer, **_PROBLEMS})
    def put(self, request: Request, tree: str, pk: int) -> Response:
        """Another address, or other events; the secret stays."""
        found, data = webhook_of(request.user, tree, pk), given(GivenSerializer, request)
        changed = webhooks.change(found, person_of(request), data["url"], data["events"])
        return Response(WebhookSerializer(changed).data)

    @extend_schema(request=None, responses={204: None, 403: ProblemSerializer})
    def delete(self, request: Request, tree: str, pk: int) -> Response:
        """Tell it nothing more."""
        webhooks.remove(webhook_of(request.user, tree, pk), person_of(request))
        return Response(status=204)


class WebhookPing(Api):
    """Try the address out; the answer is the delivery."""

    @extend_schema(request=None, responses={202: DeliverySerializer, 403: ProblemSerializer})
    def post(self, request: Request, tree: str, pk: int) -> Response:
        sent = webhooks.ping(webhook_of(request.user, tree, pk), person_of(request))
        return Response(DeliverySerializer(sent).data, status=202)


class Deliveries(Api, generics.ListAPIView[Any]):
    """What a webhook was told, the newest first."""

    serializer_class = DeliverySerializer
    search_fields = ("event",)
    ordering_fields = ("created_at", "due_at", "delivered_at")

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):  # the description is made without a request
            return Delivery.objects.none()
        found = webhook_of(self.request.user, self.kwargs["tree"], self.kwargs["pk"])
        return found.deliveries.all()


class DeliveryRepeat(Api):
    """Send a delivery again, the same to the byte and under the same identity."""

    @extend_schema(request=None, responses={202: DeliverySerializer, 403: ProblemSerializer})
    def post(self, request: Request, tree: str, pk: int, delivery: int) -> Response:
        found = delivery_of(webhook_of(request.user, tree, pk), delivery)
        again = webhooks.repeat(found, person_of(request))
        return Response(DeliverySerializer(again).data, status=202)
