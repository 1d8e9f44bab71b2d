"""Which migrations a tree promises: read, set, and left to what follows from its releases."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import person_of, visible_trees
from frontend.api.base import Api, given
from frontend.api.changes import PROBLEMS
from machines.models import Tree
from policy.models import TreePromises
from policy.trials import promises
from policy.trials.promises import EVERY, Promises


class PromisesSerializer(serializers.Serializer[Any]):
    """Numbers of releases; null means every one. ``usual``: nobody set it."""

    older = serializers.IntegerField(min_value=0, max_value=TreePromises.MOST, allow_null=True)
    back = serializers.IntegerField(min_value=0, max_value=TreePromises.MOST, allow_null=True)
    majors = serializers.ChoiceField(choices=TreePromises.Majors.choices)
    usual = serializers.BooleanField(read_only=True)


class TreePromisesView(Api):
    """From how many older releases guests come, to how many they go back, and across majors."""

    @extend_schema(responses=PromisesSerializer)
    def get(self, request: Request, tree: str) -> Response:
        return Response(_told(_tree(request, tree)))

    @extend_schema(request=PromisesSerializer, responses={200: PromisesSerializer, **PROBLEMS})
    def put(self, request: Request, tree: str) -> Response:
        """Set all three. Administrators of the tree may."""
        found = _tree(request, tree)
        data = given(PromisesSerializer, request)
        counts = {key: EVERY if data[key] is None else data[key] for key in ("older", "back")}
        promises.set_promises(found, person_of(request), Promises(**counts, majors=data["majors"]))
        return Response(_told(found))

    @extend_schema(responses={200: PromisesSerializer, **PROBLEMS})
    def delete(self, request: Request, tree: str) -> Response:
        """Leave it to what follows from the tree's releases."""
        found = _tree(request, tree)
        promises.set_promises(found, person_of(request), None)
        return Response(_told(found))


def _told(tree: Tree) -> dict[str, Any]:
    own = promises.own_promises(tree)
    held = own or promises.usual_promises(tree)
    return {
        "older": None if held.older == EVERY else held.older,
        "back": None if held.back == EVERY else held.back,
        "majors": held.majors,
        "usual": own is None,
    }


def _tree(request: Request, name: str) -> Tree:
    found = visible_trees(request.user).filter(name=name).first()
    if found is None:
        raise Http404
    return found
