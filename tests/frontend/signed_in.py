"""The type of the ``login`` fixture."""

from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client

Login = Callable[[User], Client]
