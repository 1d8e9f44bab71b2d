"""The emulator's commands: they need no server. See docs/emulator.md."""

from __future__ import annotations

import click

from frontend.cli.main import PROGRAM
from machines.emulator.commands import COMMANDS, main

_AS_THEY_ARE = {"ignore_unknown_options": True, "allow_extra_args": True}


def _passed_on(name: str, command: str) -> click.Command:
    """A command of the emulator under the name that it has here; its options are its own."""

    @click.command(
        name,
        help=f"{_sentence(COMMANDS[command])} Works without a server.",
        context_settings=_AS_THEY_ARE,
        add_help_option=False,
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def run(arguments: tuple[str, ...]) -> int:
        # Its answers are JSON already.
        asked = [argument for argument in arguments if argument != "--json"]
        try:
            return main([command, *asked], PROGRAM)
        except SystemExit as error:  # argparse ends that way, with help or a usage error
            return error.code if isinstance(error.code, int) else 0

    return run


def _sentence(words: str) -> str:
    """``would a release load it?`` → ``Would a release load it?``; names keep their capitals."""
    return words[:1].upper() + words[1:] + ("" if words.endswith("?") else ".")


decode_command = _passed_on("decode", "decode")
check_command = _passed_on("check", "check")
trial_command = _passed_on("trial", "trial")
run_command = _passed_on("run", "run")
stream_diff_command = _passed_on("stream-diff", "diff")
