"""Bundles: the lists, one bundle, its download in whole and in part, signatures, revocation."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from policy_world import World, person
from signed_in import Login

from policy.models import Bundle, Revision
from policy.packing import index, signatures
from policy.publishing import bundle, signing
from tests.policy.signing_keys import TestKey, made_key

BUNDLE = "/bundles/down/1.2/r1/"


@pytest.fixture
def stored(world: World) -> Bundle:
    return bundle.store(world.published())


@pytest.fixture(scope="module")
def key() -> Iterator[TestKey]:
    with made_key() as made:
        yield made


def test_list_and_page(world: World, login: Login, stored: Bundle) -> None:
    client = login(world.reviewer)
    assert stored.filename in client.get("/bundles/").content.decode()
    page = client.get(BUNDLE).content.decode()
    assert stored.sha256 in page
    assert "sha256sum -c MANIFEST.sha256" in page
    assert "lockstep-verify.pyz" in page
    assert "Revoke this bundle" not in page
    assert "Revoke this bundle" in login(world.manager).get(BUNDLE).content.decode()


def test_the_download_holds_its_sum(world: World, login: Login, stored: Bundle) -> None:
    client = login(world.reviewer)
    answer = client.get(f"{BUNDLE}download")
    assert hashlib.sha256(answer.content).hexdigest() == stored.sha256
    assert answer["Content-Disposition"] == f'attachment; filename="{stored.filename}"'
    assert answer["ETag"] == f'"{stored.sha256}"'
    for name in (answer["ETag"], f"W/{answer['ETag']}", f'"x", {answer["ETag"]}', "*"):
        again = client.get(f"{BUNDLE}download", headers={"If-None-Match": name})
        assert (again.status_code, again.content) == (304, b"")
    told = client.get(f"{BUNDLE}download.sha256").content.decode()
    assert told == f"{stored.sha256}  {stored.filename}\n"


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-10", 206, slice(-10, None)),
        ("bytes=0-999999999", 206, slice(None)),
        ("bytes=5-4", 200, slice(None)),
        ("bytes=0-1,4-5", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        ("bytes=999999999-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
    ],
)
def test_a_part_of_it(
    world: World, login: Login, stored: Bundle, asked: str, status: int, part: slice
) -> None:
    answer = login(world.reviewer).get(f"{BUNDLE}download", headers={"Range": asked})
    assert answer.status_code == status
    assert answer.content == bytes(stored.content)[part]
    if status == 416:
        assert answer["Content-Range"] == f"bytes */{stored.size}"


def test_a_part_of_what_it_no_longer_is(world: World, login: Login, stored: Bundle) -> None:
    client = login(world.reviewer)
    for name, status in (('"other"', 200), (f'"{stored.sha256}"', 206)):
        headers = {"Range": "bytes=0-9", "If-Range": name}
        assert client.get(f"{BUNDLE}download", headers=headers).status_code == status


def test_what_is_not_there(world: World, login: Login, stored: Bundle) -> None:
    client = login(world.reviewer)
    for path in (
        "/bundles/down/1.2/r2/",
        "/bundles/up/1.2/r1/download",
        f"{BUNDLE}download.asc",
        "/bundles/index.json",
        "/bundles/down/9.9/",
        "/bundles/up/1.0/latest/",
        "/bundles/down/1.2/compare/?from=1",
        "/bundles/down/1.2/compare/?from=1&to=x",
    ):
        assert client.get(path).status_code == 404, path
    nobody = login(person("nobody"))
    for path in (f"{BUNDLE}download", "/bundles/down/1.2/", "/bundles/down/1.2/latest/download"):
        assert nobody.get(path).status_code == 404, path
    assert stored.filename not in nobody.get("/bundles/").content.decode()
    assert client.post(f"{BUNDLE}download").status_code == 405


def test_the_latest_is_the_newest_that_is_not_revoked(
    world: World, login: Login, stored: Bundle
) -> None:
    newer = bundle.store(world.published_again())
    client = login(world.manager)
    latest = "/bundles/down/1.2/latest/"
    assert client.get(latest)["Location"] == "/bundles/down/1.2/r2/"
    assert client.get(f"{latest}download")["Location"] == "/bundles/down/1.2/r2/download"
    page = client.get("/bundles/down/1.2/").content.decode()
    assert newer.filename in page
    signing.revoke(newer, world.manager, "a guest lost its disk")
    assert client.get(f"{latest}download.asc")["Location"] == f"{BUNDLE}download.asc"
    assert "a guest lost its disk" in client.get("/bundles/down/1.2/").content.decode()


def test_a_revoked_bundle_is_refused(world: World, login: Login, stored: Bundle) -> None:
    assert login(world.maintainer).post(f"{BUNDLE}revoke/", {"reason": "x"}).status_code == 403
    client = login(world.manager)
    assert client.post(f"{BUNDLE}revoke/", {"reason": ""}).status_code == 422
    assert client.post(f"{BUNDLE}revoke/", {"reason": "wrong <vectors>"}).status_code == 302
    answer = client.get(f"{BUNDLE}download")
    assert answer.status_code == 410
    assert answer.content.decode() == f"{stored.filename} was revoked: wrong <vectors>\n"
    assert client.get(f"{BUNDLE}download.asc").status_code == 410
    assert "wrong &lt;vectors&gt;" in client.get(BUNDLE).content.decode()
    assert client.post(f"{BUNDLE}revoke/", {"reason": "again"}).status_code == 422


def test_two_are_compared(world: World, login: Login, stored: Bundle) -> None:
    bundle.store(world.published_again())
    page = login(world.reviewer).get("/bundles/down/1.2/compare/?from=1&to=2").content.decode()
    assert "foo.speed on pc-q35-down1.2.0" in page
    assert "qemu/machine-types/pc-q35-down1.2.0/globals.args" in page
    assert "policy.schema.json" not in page


def test_where_nothing_differs_no_file_does(world: World, login: Login, stored: Bundle) -> None:
    page = login(world.reviewer).get("/bundles/down/1.2/compare/?from=1&to=1").content.decode()
    assert "The two bundles hold the same decisions." in page
    assert "Files that differ" not in page


def uploaded(content: bytes) -> dict[str, SimpleUploadedFile]:
    return {"signature": SimpleUploadedFile("x.asc", content)}


def test_signatures_that_were_made_offline(
    world: World, login: Login, stored: Bundle, key: TestKey
) -> None:
    signing.add_key(key.public, None)
    client = login(world.manager)
    answer = client.post(f"{BUNDLE}sign/", uploaded(key.sign(b"something else")))
    assert (answer.status_code, "is not of these bytes" in answer.content.decode()) == (422, True)
    assert client.post(f"{BUNDLE}sign/", uploaded(b"x" * 70_000)).status_code == 422
    content = bytes(stored.content)
    assert client.post(f"{BUNDLE}sign/", uploaded(key.sign(content))).status_code == 302
    keys = client.get("/bundles/lockstep-keys.asc").content
    assert signatures.verify(content, client.get(f"{BUNDLE}download.asc").content, keys)

    waiting = signing.renew_index()
    assert "index-1.json" in client.get("/bundles/").content.decode()
    told = client.get("/bundles/index-1.json").content
    assert told.decode() == waiting.content
    assert client.post("/bundles/index-1/sign/", uploaded(key.sign(told))).status_code == 302
    assert index.read(client.get("/bundles/index.json").content).serial == 1
    assert signatures.verify(told, client.get("/bundles/index.json.asc").content, keys)


def test_what_is_public_needs_no_login(client, db: None, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert client.get("/bundles/lockstep-keys.asc").status_code == 200
    path = tmp_path / "lockstep-verify.pyz"
    path.write_bytes(client.get("/bundles/lockstep-verify.pyz").content)
    ran = subprocess.run([sys.executable, "-I", str(path), "--help"], capture_output=True)
    assert ran.returncode == 0
    assert client.get("/bundles/").status_code == 302


def test_the_lists_make_few_queries(
    world: World, login: Login, stored: Bundle, django_assert_max_num_queries: object
) -> None:
    bundle.store(world.published_again())
    assert Revision.objects.count() == 2
    client = login(world.reviewer)
    for path in ("/bundles/", "/bundles/down/1.2/"):
        client.get(path)
        with django_assert_max_num_queries(20):  # type: ignore[operator]
            client.get(path)
