"""The API does what its OpenAPI description says: held to it by Schemathesis, on a real service.

The service is one of its own, since whoever may write does so here. The same calls each time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.conftest import LiveStack, free_port, sample_logins, serve, stop

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
ISSUE = """
from django.contrib.auth.models import User
from machines.models import Tree
from policy import tokens
from policy.models import Membership

viewer = User.objects.create_user("viewer")
Membership.objects.create(user=viewer, tree=Tree.objects.get(name="rhel"), role="viewer")
for name in ("viewer", "maintainer"):
    user = User.objects.get(username=name)
    print(tokens.issue(user, name, ["write", "review", "publish"], tokens.usual_end())[1])
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """A service with the sample, which counts no calls."""
    var, port = tmp_path_factory.mktemp("conformance"), free_port()
    uncounted = {f"LOCKSTEP_RATE_{kind}": "0" for kind in ("TOKEN", "USER", "ANONYMOUS")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in uncounted.items():
            patch.setenv(name, value)
        process, environment = serve(var, port, var / "serve.log")
    yield LiveStack(f"http://127.0.0.1:{port}", var, environment, sample_logins(var))
    assert stop(process) == 0
    assert "Traceback" not in (var / "serve.log").read_text()


@pytest.fixture(scope="module")
def secrets(service: LiveStack) -> dict[str, str]:
    """Who asks → the token they ask with; the anonymous have none."""
    printed = service.manage("shell", "-v0", "-c", ISSUE).split()
    return {"anonymous": "", "viewer": printed[0], "maintainer": printed[1]}


@pytest.fixture(scope="module")
def description(service: LiveStack, secrets: dict[str, str]) -> Path:
    """The description, as a file: the anonymous may not fetch it."""
    bearer = {"Authorization": f"Bearer {secrets['viewer']}"}
    address = f"{service.url}/api/v1/schema/?format=json"
    with urlopen(Request(address, headers=bearer)) as answer:  # noqa: S310 - our own service
        told = json.load(answer)
    path = service.var / "openapi.json"
    path.write_text(json.dumps(told))
    return path


#: Who asks, and how: everybody a case of each kind for each call, then those of every edge. The
#: edges of calls that write are the maintainer's: others are refused before most are looked at.
RUNS = (
    ("anonymous", ("--phases", "fuzzing")),
    ("viewer", ("--phases", "fuzzing")),
    ("viewer", ("--phases", "coverage", "--include-method", "GET")),
    ("maintainer", ("--phases", "coverage,fuzzing")),
)


@pytest.mark.parametrize(("who", "how"), RUNS)
def test_the_service_keeps_to_its_description(
    service: LiveStack,
    secrets: dict[str, str],
    description: Path,
    who: str,
    how: tuple[str, ...],
) -> None:
    command = [
        *("schemathesis", "--config-file", str(CONFIGURATION)),
        *("run", str(description), "--url", service.url, "--checks", "all", "--no-color"),
        # One worker: CPython 3.11 cannot parse in several threads, which Hypothesis does there.
        *(*how, "--max-examples", "1", "--workers", "1"),
        *("--seed", "1", "--generation-deterministic"),
        *("--no-shrink", "--continue-on-failure", "--warnings", "off"),
        # It would revoke the token that it is called with; tests/frontend/test_api_tokens.py.
        *("--exclude-name", "DELETE /api/v1/tokens/{pk}/"),
    ]
    if secrets[who]:
        command += ["--header", f"Authorization: Bearer {secrets[who]}"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}
    done = subprocess.run(
        command, cwd=service.var, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
