"""The stream inspector: uploading, reading, sharing, deleting, asking for a verdict."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from policy_world import World, person
from signed_in import Login

from machines import kept_streams
from machines.models import Stream, Tree
from policy.models import AuditEntry, StreamVerdict
from policy.trials import stream_verdicts
from workers.models import Job

SERIAL = Path(__file__).parents[1] / "data/streams/10.0/pc-q35-7.2/serial.mig.xz"


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def sent(name: str = "serial.mig.xz", content: bytes | None = None) -> dict[str, Any]:
    data = SERIAL.read_bytes() if content is None else content
    return {"file": SimpleUploadedFile(name, data)}


def upload(client: Any, content: bytes | None = None) -> Stream:
    """An upload that a worker has read."""
    answer = client.post("/streams/", sent(content=content))
    assert answer.status_code == 302, answer.content.decode()
    stream = Stream.objects.latest("pk")
    assert answer.url == f"/streams/{stream.pk}/"
    return kept_streams.read(stream)


def test_an_upload_waits_and_is_then_read(world: World, login: Login) -> None:
    client = login(world.reviewer)
    client.post("/streams/", sent())
    stream = Stream.objects.get()
    job = Job.objects.get(kind=Job.Kind.STREAM)
    assert job.payload == {"stream": stream.pk}
    assert 'data-live=""' in client.get(f"/streams/{stream.pk}/").content.decode()
    kept_streams.read(stream)
    page = client.get(f"/streams/{stream.pk}/").content.decode()
    assert "pc-q35-7.2" in page
    assert "data-live" not in page.split('id="stream"')[1][:40]
    assert AuditEntry.objects.filter(action="uploaded stream").exists()


def test_what_is_too_large_is_stopped_while_it_arrives(
    world: World, login: Login, settings: Any
) -> None:
    settings.LOCKSTEP_MAX_STREAM = 2**20
    answer = login(world.reviewer).post("/streams/", sent(content=bytes(3 * 2**20)))
    assert answer.status_code == 413
    assert "larger than 1 MiB" in answer.content.decode()
    assert not Stream.objects.exists()
    assert list(kept_streams.uploads().iterdir()) == []


def test_a_form_without_a_file_and_an_empty_file(world: World, login: Login) -> None:
    client = login(world.reviewer)
    assert client.post("/streams/", {}).status_code == 422
    assert client.post("/streams/", sent(content=b"")).status_code == 422
    assert not Stream.objects.exists()


def test_each_person_has_so_much_room(
    world: World, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_streams, "MAX_STREAMS", 1)
    client = login(world.reviewer)
    upload(client)
    answer = client.post("/streams/", sent())
    assert answer.status_code == 422
    assert "delete one" in answer.content.decode()


def test_only_who_it_is_shared_with_sees_it(world: World, login: Login) -> None:
    mine, other = login(world.reviewer), login(world.maintainer)
    stream = upload(mine)
    address = f"/streams/{stream.pk}/"
    assert other.get(address).status_code == 404
    assert "serial.mig.xz" not in other.get("/streams/").content.decode()
    tree = Tree.objects.get(name="down")
    assert mine.post(f"{address}share/", {"tree": tree.pk}).status_code == 302
    assert other.get(address).status_code == 200
    stranger = login(person("stranger"))
    assert stranger.get(address).status_code == 403 or stranger.get(address).status_code == 404


def test_only_its_owner_shares_and_deletes(world: World, login: Login) -> None:
    mine, other = login(world.reviewer), login(world.maintainer)
    stream = upload(mine)
    mine.post(f"/streams/{stream.pk}/share/", {"tree": Tree.objects.get(name="down").pk})
    for action in ("share", "delete"):
        assert other.post(f"/streams/{stream.pk}/{action}/").status_code == 403
    assert mine.post(f"/streams/{stream.pk}/delete/").status_code == 302
    assert not Stream.objects.exists()
    assert AuditEntry.objects.filter(action="deleted stream").exists()


def test_a_field_is_found_by_its_name_and_by_its_byte(world: World, login: Login) -> None:
    client = login(world.reviewer)
    address = f"/streams/{upload(client).pk}/"
    by_name = client.get(address, {"section": "serial", "field": "state.divider"})
    window = by_name.context["window"]
    assert (window.selected.piece.name, window.selected.value) == ("state.divider", "12")
    by_byte = client.get(address, {"at": hex(window.selected.at)}).context["window"]
    assert by_byte.selected == window.selected
    assert [run.text for row in by_byte.rows for run in row.runs if run.current] == ["00 0c"]
    assert client.get(address, {"section": "toaster"}).status_code == 404
    assert client.get(address, {"at": "0xzz"}).status_code == 404


def test_a_large_section_is_shown_a_window_at_a_time(world: World, login: Login) -> None:
    client = login(world.reviewer)
    stream = upload(client)
    part = stream.parts.order_by("-size").filter(kind="section").first()
    window = client.get(f"/streams/{stream.pk}/", {"part": part.number}).context["window"]
    seen = 0
    while True:
        seen += sum(len(run.text.split()) for row in window.rows for run in row.runs)
        answer = client.get(f"/streams/{stream.pk}/", {"at": window.next or 0})
        assert len(answer.content) < 200_000
        if window.next is None:
            break
        window = answer.context["window"]
    assert seen == part.size


def test_a_part_alone_is_what_scripts_ask_for(world: World, login: Login) -> None:
    client = login(world.reviewer)
    address = f"/streams/{upload(client).pk}/?section=serial&field=state.divider"
    headers = {"HX-Request": "true", "HX-Target": "piece"}
    piece = client.get(address, headers=headers).content.decode()
    assert "state.divider" in piece
    assert "<html" not in piece
    assert 'id="anatomy"' not in piece


def test_where_reading_stopped_is_named(world: World, login: Login) -> None:
    client = login(world.reviewer)
    whole = lzma.decompress(SERIAL.read_bytes())
    stream = upload(client, whole[:150_000])
    page = client.get(f"/streams/{stream.pk}/").content.decode()
    assert f"Reading stopped at byte {stream.problem['offset']}" in page
    assert 'id="anatomy"' in page
    garbage = upload(client, b"What is this?")
    assert "not a migration stream" in client.get(f"/streams/{garbage.pk}/").content.decode()


def test_garbage_in_the_middle_is_read_as_far_as_it_goes(world: World, login: Login) -> None:
    client = login(world.reviewer)
    content = bytearray(lzma.decompress(SERIAL.read_bytes()))
    at = content.index(b"\x05timer") - 5  # the section's type
    content[at : at + 300] = b"\xee" * 300
    stream = upload(client, bytes(content))
    assert (stream.state, stream.problem["offset"]) == ("cut", at)
    page = client.get(f"/streams/{stream.pk}/").content.decode()
    assert f"Reading stopped at byte {at}" in page
    assert stream.parts.filter(name="ram").exists()


def test_every_set_that_helps_is_offered(world: World, login: Login) -> None:
    client = login(world.reviewer)
    stream = upload(client)
    sets = [[["foo", "speed", "1"]], [["foo", "speed", "2"], ["bar", "heat", "off"]]]
    StreamVerdict.objects.create(
        stream=stream,
        release=world.release,
        machine_type="pc-q35-7.2",
        state=StreamVerdict.State.DONE,
        outcome="refused",
        result={
            "outcome": "refused",
            "reason": "No.",
            "section": "serial",
            "field": "ier",
            "suggestions": sets,
        },
        asked_by=world.reviewer,
    )
    page = client.get(f"/streams/{stream.pk}/").content.decode()
    for value in ("foo.<b>speed</b>", "bar.<b>heat</b>", "or</span>"):
        assert value in page
    assert "?section=serial&amp;instance=0&amp;field=ier#anatomy" in page


def test_the_question_s_properties_are_completed(world: World, login: Login) -> None:
    world.published()
    client = login(world.reviewer)
    asked = {"into": "down 1.2", "what": "property", "driver": "foo", "property": "sp"}
    assert 'data-value="speed"' in client.get("/completion/", asked).content.decode()
    for into in ("", "nowhere 1", "change-99"):
        answer = client.get("/completion/", asked | {"into": into})
        assert (answer.status_code, answer.content.strip()) == (200, b"")


def test_a_verdict_is_asked_for_and_shown(world: World, login: Login) -> None:
    world.published()
    client = login(world.reviewer)
    stream = upload(client)
    address = f"/streams/{stream.pk}/verdicts/"
    assert client.post(address, {"into": "down 1.2"}).status_code == 302
    verdict = StreamVerdict.objects.get()
    assert Job.objects.get(kind=Job.Kind.VERDICT).payload["verdict"] == verdict.pk
    assert 'id="answers" data-live' in client.get(f"/streams/{stream.pk}/").content.decode()
    stream_verdicts.judge(verdict, lambda held, most: None)
    assert verdict.outcome == "refused"
    answers = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "unsupported machine type" in answers
    assert "data-live" not in answers


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"into": ""}, "required"),
        ({"into": "down 1.2", "properties": "nonsense"}, "Line 1"),
        ({"into": "down 1.2", "properties": "toaster.heat=1"}, "no device type"),
        ({"into": "down 1.2", "machine_type": "pc-nowhere"}, "no machine type"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(
    world: World, login: Login, given: dict[str, str], said: str
) -> None:
    world.published()
    client = login(world.reviewer)
    answer = client.post(f"/streams/{upload(client).pk}/verdicts/", given)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not StreamVerdict.objects.exists()


def test_nobody_and_people_without_a_role(world: World, login: Login, client: Any) -> None:
    assert client.post("/streams/", sent()).status_code == 302
    assert not Stream.objects.exists()
    outsider = login(User.objects.create_user("outsider"))
    assert outsider.get("/streams/").status_code == 403
    assert outsider.post("/streams/", sent()).status_code == 403


def test_the_list_makes_few_queries(
    world: World, login: Login, django_assert_max_num_queries: Any
) -> None:
    client = login(world.reviewer)
    first = upload(client)
    template = Stream.objects.values().get(pk=first.pk)
    Stream.objects.bulk_create(
        Stream(**{**template, "id": None, "name": f"s{number}"}) for number in range(30)
    )
    with django_assert_max_num_queries(20):
        assert client.get("/streams/").status_code == 200
    with django_assert_max_num_queries(25):
        assert client.get(f"/streams/{first.pk}/").status_code == 200
