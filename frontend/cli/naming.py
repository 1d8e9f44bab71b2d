"""How a command names a release: ``rhel 9.3`` or ``rhel/9.3``."""

from __future__ import annotations

import click


class ReleaseName(click.ParamType[tuple[str, str]]):
    """A release's label; given as ``(tree, version)``."""

    name = "release"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        tree, _, version = str(value).strip().replace("/", " ", 1).partition(" ")
        if not tree or not version or " " in version or "/" in version:
            self.fail(f"'{value}' is no release: write it as 'rhel 9.3' or rhel/9.3", param, ctx)
        return tree, version


class EndName(click.ParamType[str]):
    """One end of a migration as the API names it: a release's label, or ``change-7``."""

    name = "end"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        text = str(value)
        return text if text.startswith("change-") else label(RELEASE.convert(text, param, ctx))


RELEASE = ReleaseName()
END = EndName()


def label(release: tuple[str, str]) -> str:
    """The release as the API says it."""
    return " ".join(release)


def address(release: tuple[str, str]) -> str:
    """The release's part of an API address."""
    return "/".join(release)
