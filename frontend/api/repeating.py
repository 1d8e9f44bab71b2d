"""Calls that may be sent twice: what was answered to an ``Idempotency-Key`` is answered again.

The claim on a key, what the call does, and its answer are one transaction. A second call with the
key waits for the first one's end, and then finds either its answer or nothing done. What was
refused is not remembered: the call may be corrected and sent again under the same key.

The header is that of the IETF's draft ``draft-ietf-httpapi-idempotency-key-header``.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import person_of
from frontend.api.preconditions import REFUSALS, Handler
from frontend.models import RememberedAnswer
from policy.errors import Invalid, TooMany

HEADER = "Idempotency-Key"
#: Says on an answer that it is not the first one.
REPLAYED = "Idempotency-Replayed"
KEPT = timedelta(days=1)
MAX_KEY = 255
#: Answers that are kept for one person, and how large each may be, in bytes.
MOST_KEPT, MAX_ANSWER = 2000, 1024 * 1024


def once(handler: Handler) -> Handler:
    """The handler of a POST, which does its work once for each key that a person names."""

    def answer(request: Request, *args: Any, **kwargs: Any) -> Response:
        refusal = None
        with transaction.atomic():
            row, is_new = _claim(request)
            if not is_new:
                return _remembered(row)
            try:
                response = handler(request, *args, **kwargs)
            except REFUSALS as error:
                # Raised only after the end of the transaction: what the handler recorded stays.
                refusal = error
                row.delete()
            else:
                _remember(row, response)
        if refusal is not None:
            raise refusal
        return response

    return answer


def refused(*args: Any, **kwargs: Any) -> Response:
    """Instead of a handler whose answer is not kept. Raises Invalid."""
    raise Invalid("The answer of this call is not kept: send it without a key.", field=HEADER)


def _claim(request: Request) -> tuple[RememberedAnswer, bool]:
    """The key's row, and whether the call is the first. Raises Invalid, or TooMany."""
    key = request.headers[HEADER]
    if not (1 <= len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise Invalid(f"A key is 1 to {MAX_KEY} printable ASCII characters.", field=HEADER)
    now, fingerprint = timezone.now(), _fingerprint(request)
    RememberedAnswer.objects.filter(at__lt=now - KEPT).delete()
    own = RememberedAnswer.objects.filter(user=person_of(request))
    if own.count() >= MOST_KEPT and not own.filter(key=key).exists():
        raise TooMany(f"You have used {MOST_KEPT} keys within a day: wait.", wait=3600)
    row, is_new = RememberedAnswer.objects.get_or_create(
        user=person_of(request), key=key, defaults={"fingerprint": fingerprint, "at": now}
    )
    if row.fingerprint != fingerprint:
        raise Invalid("The key was used for another call: choose a new one.", field=HEADER)
    return row, is_new


def _fingerprint(request: Request) -> str:
    """SHA-256 of what is asked for: method, address, and the body as it is understood."""
    said = [request.method, request.get_full_path(), _fields(request.data)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _fields(data: Any) -> Any:
    if isinstance(data, MultiValueDict):
        return {name: [_content(value) for value in values] for name, values in data.lists()}
    return data


def _content(value: Any) -> str:
    """A form's value; of a file its digest."""
    if not hasattr(value, "chunks"):
        return str(value)
    digest = hashlib.sha256()
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)
    return f"{value.name} {digest.hexdigest()}"


def _remember(row: RememberedAnswer, response: Response) -> None:
    """Keep the answer; one that is too large leaves the row without a status."""
    body = JSONRenderer().render(response.data) or b"null"
    if len(body) > MAX_ANSWER:
        return
    row.status = response.status_code
    row.body = json.loads(body)
    row.headers = {name: response[name] for name in ("Location",) if name in response}
    row.save()


def _remembered(row: RememberedAnswer) -> Response:
    if row.status is None:
        words = "The call was done, and its answer was too large to be kept: read what it made."
        raise Invalid(words, field=HEADER)
    return Response(row.body, status=row.status, headers={**row.headers, REPLAYED: "true"})
