"""The design system's colours: readable in light and dark (WCAG 2.2 AA, 4.5 to 1)."""

import re
from pathlib import Path

import pytest

CSS = Path(__file__).parents[2] / "frontend" / "static" / "css" / "tokens.css"
TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--ls-([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", CSS.read_text()
    )
}
ON_SURFACES = ["text", "strong", "muted", "accent", "red", "amber", "blue", "teal", "violet"]
PAIRS = [
    *((text, surface) for text in ON_SURFACES for surface in ("bg", "surface", "raised")),
    *((tone, f"{tone}-soft") for tone in ("blue", "amber", "red", "grey", "violet", "teal")),
    ("accent", "accent-soft"),
    ("on-ink", "ink"),
    ("text", "amber-soft"),
    ("text", "red-soft"),
]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "surface"), PAIRS)
def test_text_is_readable(text: str, surface: str, theme: int) -> None:
    assert contrast(TOKENS[text][theme], TOKENS[surface][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_the_edges_of_inputs_are_visible(theme: int) -> None:
    assert contrast(TOKENS["line-strong"][theme], TOKENS["surface"][theme]) >= 3
