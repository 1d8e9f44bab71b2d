"""A trial's stream, made again beside what arrived; the trial with other properties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from policy_world import World, arrays, release, run_trials
from signed_in import Login

from frontend.forms.streams import properties_of
from machines.emulator.catalogue import CompatProperty
from machines.models import Stream
from policy import edits, trials
from policy.errors import Invalid
from policy.models import AuditEntry, ChangeRequest, Trial
from policy.trials import recordings, variants
from workers.models import Job


@pytest.fixture
def change(world: World) -> ChangeRequest:
    """A release beside a published one, whose promised trials were held."""
    world.published()
    made = edits.open_change(
        release("down", "1.4", arrays(), base=world.old), world.maintainer, "As it is"
    )
    run_trials(made, world.maintainer)
    return made


@pytest.fixture
def trial(change: ChangeRequest, settings: Any, tmp_path: Path) -> Trial:
    settings.VAR_DIR = tmp_path
    return Trial.objects.filter(state="done", outcome="correct").order_by("pk")[0]


def test_the_stream_is_made_when_somebody_asks(world: World, login: Login, trial: Trial) -> None:
    client, address = login(world.reviewer), f"/trials/{trial.pk}/stream/"
    assert "Make the stream again" in client.get(address).content.decode()
    assert client.post(address).status_code == 302
    assert Job.objects.get(kind=Job.Kind.RECORD).payload == {"trial": trial.pk}
    assert 'data-live=""' in client.get(address).content.decode()
    recordings.record(trial)
    window = client.get(address).context["window"]
    fates = {item.arrival.fate for item in window.pieces if item.arrival}
    assert fates == {"same"}
    assert AuditEntry.objects.filter(action="asked for stream").exists()


def test_it_is_the_stream_of_the_trial(world: World, trial: Trial) -> None:
    stream = recordings.record(trial)
    assert stream.size == trial.result["stream_bytes"]
    assert stream.parts.filter(kind="section").count() == trial.result["sections"]
    assert recordings.record(trial) == stream
    assert Stream.objects.count() == 1


def test_properties_on_top_make_a_trial_of_its_own(
    world: World, login: Login, trial: Trial
) -> None:
    client = login(world.reviewer)
    answer = client.post(f"/trials/{trial.pk}/vary/", {"destination": "foo.vmstate-blacklist=0x4"})
    varied = Trial.objects.get(varies=trial)
    assert answer.url == f"/trials/{varied.pk}/"
    assert varied.asked_by == world.reviewer
    assert Job.objects.get(dedup_key=f"variant-{varied.pk}").payload == {"trials": [varied.pk]}
    assert 'data-live=""' in client.get(answer.url).content.decode()
    trials.run(varied)
    assert varied.state == "done"
    page = client.get(answer.url).content.decode()
    assert "no policy requires it" in page
    assert f"#{varied.pk}" in client.get(f"/trials/{trial.pk}/").content.decode()


def test_a_variant_is_no_required_trial(world: World, change: ChangeRequest, trial: Trial) -> None:
    before = [item.key for item in trials.required(change)]
    varied = variants.vary(world.reviewer, trial, (), variants_of("foo.vmstate-blacklist=0x4"))
    assert varied.key not in before
    assert [item.key for item in trials.required(change)] == before
    again = variants.vary(world.reviewer, trial, (), variants_of("foo.vmstate-blacklist=0x4"))
    assert again == varied
    assert (
        variants.vary(world.reviewer, varied, (), variants_of("foo.vmstate-blacklist=0x4"))
        == varied
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("toaster.heat=1", "no device type"),
        ("foo.no-such=1", "no property"),
        ("foo.vmstate-blacklist=many", "foo.vmstate-blacklist"),
        ("nonsense", "Line 1"),
        ("", "Set a property"),
    ],
)
def test_what_cannot_be_set_is_said(
    world: World, login: Login, trial: Trial, line: str, said: str
) -> None:
    answer = login(world.reviewer).post(f"/trials/{trial.pk}/vary/", {"destination": line})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Trial.objects.exclude(varies=None).exists()


def test_nobody_without_a_role_asks(world: World, login: Login, trial: Trial) -> None:
    outsider = login(User.objects.create_user("outsider"))
    for address in (f"/trials/{trial.pk}/stream/", f"/trials/{trial.pk}/vary/"):
        assert outsider.post(address, {"destination": "foo.x=1"}).status_code == 404
    assert not Stream.objects.exists()


def variants_of(line: str) -> Any:
    return properties_of([line])


def test_one_person_does_not_occupy_all_workers(
    world: World, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variants, "MAX_WAITING", 1)
    first = [CompatProperty("foo", "speed", "1")]
    varied = variants.vary(world.reviewer, trial, [], first)
    assert variants.vary(world.reviewer, trial, [], first) == varied
    with pytest.raises(Invalid, match="wait to be held"):
        variants.vary(world.reviewer, trial, [], [CompatProperty("foo", "speed", "2")])
    variants.vary(world.maintainer, trial, [], [CompatProperty("foo", "speed", "2")])
