"""How many calls a minute: counted in Redis for each token, each person and each address.

Two web processes count together there. Where Redis does not answer, nothing is counted: losing it
stops the work in the background, and need not stop everything else.
"""

from __future__ import annotations

import logging
import time
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from frontend.sign_in.callers import address
from policy.models import Token

WINDOW = 60
_log = logging.getLogger(__name__)


def count(request: Request) -> None:
    """Count the call. Raises Throttled, which says for how long to wait."""
    kind, who = _caller(request)
    limit = settings.LOCKSTEP_RATES[kind]
    if not limit:
        return
    now = time.time()
    window = int(now // WINDOW)
    if _calls(f"lockstep:calls:{kind}:{who}:{window}") > limit:
        raise Throttled(wait=(window + 1) * WINDOW - now)


def _caller(request: Request) -> tuple[str, Any]:
    if isinstance(request.auth, Token):
        return "token", request.auth.pk
    if request.user.is_authenticated:
        return "user", request.user.pk
    return "anonymous", address(request)


def _calls(key: str) -> int:
    """How many calls were counted under the key, with this one; 0 where nobody counts."""
    try:
        pipeline = _client(settings.REDIS_URL).pipeline()
        pipeline.incr(key)
        pipeline.expire(key, WINDOW)
        return int(pipeline.execute()[0])
    except redis.RedisError as error:
        _log.warning("Calls are not counted, as Redis does not answer: %s", error)
        return 0


@cache
def _client(url: str) -> redis.Redis:
    # Celery's word for a socket is not that of Redis's own library.
    address = url.replace("redis+socket://", "unix://", 1)
    # Without retries: nobody's call waits for a Redis that does not answer.
    return redis.Redis.from_url(
        address, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0)
    )
