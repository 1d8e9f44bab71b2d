"""The whole job through the REST API alone: import, backport, try, review, publish, fetch, verify.

Three programs, each with a token of its person that allows just its part.
"""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from tokens import token_of

from policy.packing import verifying
from tests.conftest import ROOT, LiveStack, wait_until

pytestmark = pytest.mark.browser
SAMPLE = ROOT / "machines" / "sample" / "qemu"
#: Of its own, as other tests of the same service publish other releases.
TREE, VERSION = "debian", "15"
FEATURE = "scsi-persistent-reservations"
MACHINE_TYPE = "pc-q35-7.2"
DEVICES = ["mc146818rtc", "isa-pit", "i8042", "isa-serial", "scsi-block"]
#: Rows of a page: few, so that there are several.
PAGE = 5
SCOPES = {"maintainer": "write", "reviewer": "review", "release": "publish"}


class Program:
    """Somebody's program: the addresses below ``/api/v1/``, and the status that each answers."""

    def __init__(self, stack: LiveStack, name: str) -> None:
        self.root = f"{stack.url}/api/v1/"
        self.bearer = {"Authorization": f"Bearer {token_of(stack, name, SCOPES[name])}"}

    def send(self, method: str, address: str, **more: Any) -> requests.Response:
        headers = self.bearer | more.pop("headers", {})
        return requests.request(method, self.root + address, headers=headers, timeout=60, **more)

    def get(self, address: str, status: int = 200, **query: Any) -> Any:
        answer = self.send("GET", address, params=query)
        assert answer.status_code == status, answer.text
        return answer.json()

    def all(self, address: str, **query: Any) -> list[Any]:
        """The rows of every page of a list."""
        rows: list[Any] = []
        page: dict[str, Any] = {"next": address}
        while page["next"]:
            page = self.get(address, page=len(rows) // PAGE + 1, page_size=PAGE, **query)
            rows += page["results"]
        return rows

    def post(self, address: str, document: Any = None, status: int = 200, **more: Any) -> Any:
        body = more or {"json": document if document is not None else {}}
        answer = self.send("POST", address, **body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job when it has ended."""

        def has_ended() -> bool:
            job.update(self.get(f"jobs/{job['id']}/"))
            return job["status"] not in ("queued", "running")

        wait_until(has_ended, job["title"])
        return job


def imported(program: Program) -> None:
    files = [("uploads", (path.name, path.read_bytes())) for path in (SAMPLE / "10.0").iterdir()]
    named = {"tree": TREE, "version": VERSION, "base": "upstream 10.0"}
    job = program.post("imports/", status=202, data=named, files=files)
    assert program.ended(job)["status"] == "done", job
    release = program.get(f"releases/{TREE}/{VERSION}/")
    assert (release["snapshot"]["number"], release["revision"]) == (1, None)


def edited(program: Program, change: dict[str, Any]) -> dict[str, Any]:
    """The change request with a backport, one migration to try, and what blocks waived."""
    address = f"changes/{change['id']}/edits/"
    declared = change["policy"]["migrations"]
    operations = [
        {"op": "add-backport", "feature": FEATURE, "justification": "Guests move with theirs."},
        # Debian 12's guests have none: its newest machine type keeps the feature off.
        {"op": "add-entry", "machine_type": MACHINE_TYPE}
        | {"driver": "scsi-block", "property": "migrate-pr", "value": "off"},
        {"op": "add-required-entries", "feature": FEATURE},
        *({"op": "remove-migration", "position": 0} for _ in declared),
        {"op": "add-migration", "source": "debian 12", "destination": f"{TREE} {VERSION}"}
        | {"expected": "correct", "machine_type": MACHINE_TYPE},
        {"op": "choose-devices", "devices": DEVICES},
    ]
    sent = {"lock_version": change["lock_version"], "operations": operations}
    tried = program.post(f"{address}preview/", sent)
    assert [row["problem"] for row in tried["rows"]] == [""] * len(operations)
    made = program.post(address, sent)
    assert any(item["group"] == "Backports" for item in made["differences"])
    until = (date.today() + timedelta(days=90)).isoformat()  # noqa: DTZ011 - a day will do
    waivers = [
        {"op": "waive-finding", "finding": item["id"], "reason": "Never shipped.", "expires": until}
        for item in program.all(f"changes/{change['id']}/findings/", blocks="true")
    ]
    if waivers:
        program.post(address, {"lock_version": made["lock_version"], "operations": waivers})
    return dict(program.get(f"changes/{change['id']}/"))


def tried(program: Program, change: dict[str, Any]) -> dict[str, Any]:
    """The change request when none of its trials goes on."""
    program.post(f"changes/{change['id']}/run-trials/")

    def has_ended() -> bool:
        change.update(program.get(f"changes/{change['id']}/"))
        return not {item["standing"] for item in change["trials"]} & {"not-run", "running"}

    wait_until(has_ended, "the trials")
    return change


def fetched(program: Program, folder: Path) -> Path:
    """The bundle, once a worker has built it: fetched whole, once more, and in part."""
    place = f"bundles/{TREE}/{VERSION}/"
    wait_until(lambda: program.send("GET", f"{place}latest/").ok, "the bundle")
    told = program.get(f"{place}latest/")
    whole = program.send("GET", f"{place}r1/download")
    assert hashlib.sha256(whole.content).hexdigest() == told["sha256"]
    again = {"If-None-Match": whole.headers["ETag"]}
    assert program.send("GET", f"{place}r1/download", headers=again).status_code == 304
    part = program.send("GET", f"{place}r1/download", headers={"Range": "bytes=0-1"})
    assert (part.status_code, part.content) == (206, whole.content[:2])
    path = folder / str(told["filename"])
    path.write_bytes(whole.content)
    return path


def test_the_whole_job(live_stack: LiveStack, tmp_path: Path) -> None:
    maintainer, reviewer, release = (Program(live_stack, name) for name in SCOPES)
    imported(maintainer)
    asked = {"release": f"{TREE} {VERSION}", "title": "First policy"}
    key = {"Idempotency-Key": "the first change of this test"}
    sent = {"headers": key, "json": asked}
    opened = maintainer.post("changes/", status=201, **sent)
    assert maintainer.post("changes/", status=201, **sent)["id"] == opened["id"]
    change = edited(maintainer, opened)
    this = f"changes/{change['id']}/"
    maintainer.post(f"{this}submit/")
    change = tried(maintainer, change)
    assert {item["standing"] for item in change["trials"]} == {"passed"}
    # Four eyes, and the scope besides: neither the author approves, nor a token that only writes.
    vote = {"digest": change["digest"], "text": "Read."}
    maintainer.post(f"{this}approve/", vote, status=403)
    reviewer.post(f"{this}approve/", {"digest": opened["digest"]}, status=409)
    assert reviewer.post(f"{this}approve/", vote)["status"] == "approved"
    maintainer.post(f"{this}publish/", status=403)
    assert release.post(f"{this}publish/")["revision"] == 1
    bundle = fetched(release, tmp_path)
    assert verifying.problems(bundle.read_bytes()) == []
    told = maintainer.get("audit/", object_type="policy.changerequest", object_id=change["id"])
    actors = {item["action"]: item["actor"] for item in told["results"]}
    assert (actors["approve"], actors["publish"]) == ("reviewer", "release")
