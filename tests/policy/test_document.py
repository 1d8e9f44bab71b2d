"""The policy document: what is written is read back, and what cannot be read names its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_documents import policies

from policy.document import (
    DocumentError,
    Policy,
    canonical,
    canonical_object,
    digest,
    from_json,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@given(policies())
def test_a_document_is_read_back_without_loss(policy: Policy) -> None:
    text = canonical(policy.to_json())
    again = from_json(json.loads(text))
    assert again == policy
    assert again.digest == policy.digest


@given(json_values)
def test_canonical_json_is_one_text_for_one_value(value: Any) -> None:
    text = canonical(value)
    assert canonical(json.loads(text)) == text
    assert json.loads(text) == value


@given(st.dictionaries(st.text(max_size=3), json_values))
def test_an_object_put_together_of_texts_is_the_same_text(value: dict[str, Any]) -> None:
    members = {name: canonical(member) for name, member in value.items()}
    assert canonical_object(members) == canonical(value)


@given(st.dictionaries(st.text(max_size=3), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_change_the_digest(value: dict[str, int]) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)


@given(json_values)
def test_anything_else_is_refused_with_a_path(value: Any) -> None:
    with pytest.raises(DocumentError) as caught:
        from_json(value)
    assert caught.value.path.startswith("policy")


BASE: dict[str, Any] = {
    "schema": 1,
    "release": {"tree": "rhel", "version": "9.2"},
    "base": {"release": "upstream 7.2", "digest": "ab"},
}


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"schema": 2}, "policy.schema"),
        ({"machine_types": [{"name": "a"}, {"name": "a"}]}, "policy.machine_types[1].name"),
        ({"machine_types": [{"name": "a", "parent": "b"}]}, "policy.machine_types[0].parent"),
        ({"machine_types": [{"name": "a", "parent": "a"}]}, "policy.machine_types[0].parent"),
        ({"migrations": [{"source": "a", "destination": "b", "expected": "corrupt"}]},
         "policy.migrations[0].expected"),
        ({"overrides": [{"device": "foo", "section": "foo", "version": -1}]},
         "policy.overrides[0].version"),
    ],
)  # fmt: skip
def test_a_fault_names_its_place(changed: dict[str, Any], path: str) -> None:
    with pytest.raises(DocumentError) as caught:
        from_json(BASE | changed)
    assert caught.value.path == path
