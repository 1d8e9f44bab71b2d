"""Streams through the API: upload, parts, verdicts, sharing; a trial's stream and its variants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from policy_world import World, arrays, person, release, run_trials
from signed_in import Login

from machines import kept_streams
from machines.models import Stream
from policy import edits, tokens
from policy.models import StreamVerdict, Trial
from policy.trials import recordings, stream_verdicts
from workers.models import Job

SERIAL = Path(__file__).parents[1] / "data/streams/10.0/pc-q35-7.2/serial.mig.xz"
JSON = {"content_type": "application/json"}


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def upload(client: Any) -> dict[str, Any]:
    file = SimpleUploadedFile("serial.mig.xz", SERIAL.read_bytes())
    answer = client.post("/api/v1/streams/", {"file": file})
    assert answer.status_code == 202, answer.content
    told: dict[str, Any] = answer.json()
    kept_streams.read(Stream.objects.get(pk=told["id"]))
    return told


def test_what_is_in_an_upload(world: World, login: Login) -> None:
    client = login(world.reviewer)
    told = upload(client)
    assert told["state"] == "waiting"
    address = f"/api/v1/streams/{told['id']}/"
    assert client.get(address).json()["machine_type"] == "pc-q35-7.2"
    [part] = client.get(f"{address}parts/?search=serial").json()["results"]
    whole = client.get(f"{address}parts/{part['number']}/").json()
    values = {item["name"]: item["value"] for item in whole["pieces"]}
    assert (values["state.divider"], values["name"]) == ("12", "serial")
    assert len(whole["content"]) == 2 * part["size"]
    assert client.get(f"{address}parts/9999/").status_code == 404


def test_too_large_and_no_file(world: World, login: Login, settings: Any) -> None:
    settings.LOCKSTEP_MAX_STREAM = 2**10
    client = login(world.reviewer)
    file = SimpleUploadedFile("serial.mig.xz", SERIAL.read_bytes())
    answer = client.post("/api/v1/streams/", {"file": file})
    assert answer.status_code == 413
    assert answer["Content-Type"] == "application/problem+json"
    assert client.post("/api/v1/streams/", {}).status_code == 422
    assert list(kept_streams.uploads().iterdir()) == []


def test_a_token_uploads_if_it_may_write(world: World, client: Any) -> None:
    for scopes, status in (((), 403), (("write",), 202)):
        _, secret = tokens.issue(world.reviewer, "ci", scopes, tokens.usual_end())
        file = SimpleUploadedFile("serial.mig.xz", SERIAL.read_bytes())
        headers = {"Authorization": f"Bearer {secret}"}
        answer = client.post("/api/v1/streams/", {"file": file}, headers=headers)
        assert answer.status_code == status
    assert Stream.objects.get().owner == world.reviewer


def test_a_verdict_is_asked_for_and_told(world: World, login: Login) -> None:
    world.published()
    client = login(world.reviewer)
    address = f"/api/v1/streams/{upload(client)['id']}/verdicts/"
    asked = client.post(address, {"into": "down 1.2"}, **JSON)
    assert (asked.status_code, asked.json()["result"]) == (202, None)
    stream_verdicts.judge(StreamVerdict.objects.get(), lambda held, most: None)
    [told] = client.get(address).json()["results"]
    assert told["result"]["outcome"] == "refused"
    assert told["result"]["kind"] == "machine-type"
    for wrong in ({"into": "nowhere 1"}, {"into": "down 1.2", "profile": 99}, {}):
        assert client.post(address, wrong, **JSON).status_code == 422


def test_sharing_and_deleting(world: World, login: Login) -> None:
    mine, other = login(world.reviewer), login(world.maintainer)
    address = f"/api/v1/streams/{upload(mine)['id']}/"
    assert other.get(address).status_code == 404
    assert mine.post(f"{address}share/", {"tree": "nowhere"}, **JSON).status_code == 422
    assert mine.post(f"{address}share/", {"tree": "down"}, **JSON).json()["shared_with"] == "down"
    assert other.get(address).status_code == 200
    assert other.delete(address).status_code == 403
    assert mine.delete(address).status_code == 204
    assert mine.get(address).status_code == 404


def test_a_trials_stream_and_a_variant(world: World, login: Login) -> None:
    world.published()
    newer = release("down", "1.4", arrays(), base=world.old)
    run_trials(edits.open_change(newer, world.maintainer, "As it is"), world.maintainer)
    trial = Trial.objects.filter(outcome="correct").order_by("pk")[0]
    client, address = login(world.reviewer), f"/api/v1/trials/{trial.pk}/"
    assert client.get(f"{address}stream/").status_code == 404
    assert client.post(f"{address}stream/").json()["kind"] == "record"
    stream = recordings.record(trial)
    assert client.get(f"{address}stream/").json()["id"] == stream.pk
    assert client.get(f"/api/v1/streams/{stream.pk}/parts/").json()["count"] > 3
    lines = {"destination": ["foo.vmstate-blacklist=0x4"]}
    varied = client.post(f"{address}vary/", lines, **JSON)
    assert (varied.status_code, varied.json()["state"]) == (202, "queued")
    assert Job.objects.filter(dedup_key=f"variant-{varied.json()['id']}").exists()
    assert client.post(f"{address}vary/", {"source": ["nonsense"]}, **JSON).status_code == 422


def test_a_trial_that_could_not_run_is_run_again(world: World, login: Login) -> None:
    trial = Trial.objects.create(
        key="a" * 64, source=world.old, destination=world.release, machine_type="pc", inputs={},
        state="failed", error="The worker was lost.",
    )  # fmt: skip
    address = f"/api/v1/trials/{trial.pk}/run-again/"
    answer = login(world.reviewer).post(address)
    assert (answer.status_code, answer.json()["kind"]) == (202, "trials")
    trial.refresh_from_db()
    assert (trial.state, trial.error) == ("queued", "")
    Trial.objects.update(state="done", outcome="correct")
    refused = login(world.reviewer).post(address)
    assert refused.status_code == 422
    assert "always end the same" in refused.json()["detail"]
    assert login(person("nobody")).post(address).status_code == 403
