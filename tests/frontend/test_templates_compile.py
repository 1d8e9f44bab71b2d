"""Every template can be parsed, and says at its head what it is for."""

from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import get_template

ROOT = Path(settings.BASE_DIR, "frontend/templates")
NAMES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.html"))


@pytest.mark.parametrize("name", NAMES)
def test_a_template_parses_and_says_what_it_is_for(name: str) -> None:
    get_template(name)
    assert (ROOT / name).read_text().lstrip().startswith("{#")
