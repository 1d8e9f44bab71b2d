"""QMP between a client and the monitor, without sockets: negotiation, form, ids, errors."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines.emulator.monitor.arguments import check, each, record, switch, text, whole
from machines.emulator.monitor.protocol import Conversation, QmpError, Request

OPENING = b'{"execute": "qmp_capabilities"}'
WORDS = st.sampled_from(["execute", "arguments", "id", "exec-oob", "echo", "qmp_capabilities", "x"])
MESSAGES = st.recursive(
    WORDS | st.none() | st.integers(), lambda inner: st.dictionaries(WORDS, inner)
)


def execute(request: Request) -> Any:
    if request.command != "echo":
        raise QmpError(f"The command {request.command} has not been found", "CommandNotFound")
    return check({"*text": text}, request.arguments)


def opened() -> Conversation:
    conversation = Conversation(execute, lambda request: {})
    assert list(conversation.take(OPENING)) == [{"return": {}}]
    return conversation


def answer(message: bytes, conversation: Conversation | None = None) -> dict[str, Any]:
    (only,) = (conversation or opened()).take(message + b"\n")
    return only


def problem(message: bytes) -> str:
    return str(answer(message)["error"]["desc"])


def test_before_negotiation_nothing_else_is_taken() -> None:
    conversation = Conversation(execute, lambda request: {})
    refused = answer(b'{"execute": "echo"}', conversation)["error"]
    assert refused["class"] == "CommandNotFound"
    assert refused["desc"] == "Expecting capabilities negotiation with 'qmp_capabilities'"
    assert not conversation.is_negotiated
    assert answer(OPENING, conversation) == {"return": {}}
    again = answer(OPENING, conversation)["error"]
    assert again["desc"].startswith("Capabilities negotiation is already complete")


def test_a_negotiation_that_fails_opens_nothing() -> None:
    def refuses(request: Request) -> Any:
        raise QmpError("no")

    conversation = Conversation(execute, refuses)
    assert answer(OPENING, conversation)["error"]["desc"] == "no"
    assert "Expecting" in answer(b'{"execute": "echo"}', conversation)["error"]["desc"]


def test_an_id_comes_back_with_answers_and_errors() -> None:
    named = b'{"execute": "echo", "id": {"a": [1.5, null]}, "arguments": {"text": "x"}}'
    assert answer(named) == {"return": {"text": "x"}, "id": {"a": [1.5, None]}}
    assert answer(b'{"execute": "nope", "id": 7}')["id"] == 7


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"[1]", "QMP input must be a JSON object"),
        (b"{}", "QMP input lacks member 'execute'"),
        (b'{"execute": 5}', "QMP input member 'execute' must be a string"),
        (b'{"execute": "echo", "arguments": 5}', "QMP input member 'arguments' must be an object"),
        (b'{"execute": "echo", "x": 5}', "QMP input member 'x' is unexpected"),
        (b'{"exec-oob": "echo"}', "QMP input member 'exec-oob' is unexpected"),
        (b'{"execute": "nope"}', "The command nope has not been found"),
        (b'{"execute": "echo", "arguments": {"x": 1}}', "Parameter 'x' is unexpected"),
    ],
)
def test_a_faulty_request_is_answered_as_qemu_does(message: bytes, expected: str) -> None:
    assert problem(message) == expected


@given(MESSAGES)
def test_any_message_has_one_answer(message: Any) -> None:
    told = answer(json.dumps(message).encode())
    assert ("return" in told) != ("error" in told)
    assert set(told) <= {"return", "error", "id"}


def test_arguments_are_checked_by_their_form() -> None:
    form = {"path": text, "*states": each(record({"name": text, "on": switch})), "*n": whole}
    given_ = {"path": "/", "states": [{"name": "a", "on": True}]}
    assert check(form, given_) == given_
    faults = {
        "Parameter 'path' is missing": {},
        "Invalid parameter type for 'path', expected: string": {"path": 1},
        "Parameter 'states[0].on' is missing": {"path": "/", "states": [{"name": "a"}]},
        "Invalid parameter type for 'states', expected: array": {"path": "/", "states": {}},
        "Invalid parameter type for 'n', expected: integer": {"path": "/", "n": True},
    }
    for expected, arguments in faults.items():
        with pytest.raises(QmpError) as caught:
            check(form, arguments)
        assert str(caught.value) == expected
