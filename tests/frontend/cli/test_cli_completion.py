"""Completion: what a shell asks the command, and shells themselves with what they were given."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from frontend.cli.main import main

PROGRAM = Path(sys.executable).with_name("lockstep")


def asked(shell: str, *words: str) -> str:
    """What the command answers a shell in which somebody pressed the tab key after these words."""
    environment = {**os.environ, "_LOCKSTEP_COMPLETE": f"{shell}_complete"}
    environment |= {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_commands_and_options_are_completed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "_LOCKSTEP_COMPLETE" in capsys.readouterr().out
    assert "search" in asked(shell, "lockstep", "sea")
    told = asked(shell, "lockstep", "change", "ed").split()
    assert "edit" in [word.rpartition(",")[2] for word in told]
    assert "--dry-run" in asked(shell, "lockstep", "change", "edit", "7", "--dr")


def test_bash_takes_it() -> None:
    script = """
    eval "$(lockstep completion bash)"
    COMP_WORDS=(lockstep bundle ver) COMP_CWORD=2
    _lockstep_completion lockstep
    printf '%s\\n' "${COMPREPLY[@]}"
    complete -p lockstep
    """
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[0] == "verify", done.stderr
    assert "_lockstep_completion" in done.stdout


def test_zsh_takes_it(tmp_path: Path) -> None:
    """Somebody types in a terminal; the tab key is answered before what is typed after it."""
    (tmp_path / ".zshrc").write_text(
        "autoload -Uz compinit; compinit -u -D\n"
        'eval "$(lockstep completion zsh)"\n'
        "bindkey -e; PS1= RPS1= PROMPT_EOL_MARK=\n"
    )
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "ZDOTDIR": str(tmp_path), "TERM": "dumb"}
    ours, theirs = pty.openpty()
    to_line_start = "\x01"
    typed = f"lockstep bundle ver\t{to_line_start}print completed: \nexit\n"
    with subprocess.Popen(
        ["zsh", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ):
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = _all_of(ours)
    assert "\ncompleted: lockstep bundle verify" in shown.replace("\r", "")


def _all_of(terminal: int) -> str:
    """What is shown on a terminal until the program in it ends, which Linux tells by EIO."""
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            os.close(terminal)
            return shown.decode()
