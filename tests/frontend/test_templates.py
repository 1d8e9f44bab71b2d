"""Every template can be parsed, and says at its head what it is for."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import get_template, render_to_string

ROOT = Path(settings.BASE_DIR, "frontend/templates")
NAMES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.html"))


@pytest.mark.parametrize("name", NAMES)
def test_a_template_parses_and_says_what_it_is_for(name: str) -> None:
    get_template(name)
    assert (ROOT / name).read_text().lstrip().startswith("{#")


PAGES = [name for name in NAMES if name.startswith("pages/")]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_where_it_is(name: str) -> None:
    """Its breadcrumb, its own or the one of what it extends, names the page itself at the end."""
    source = (ROOT / name).read_text()
    while (extended := re.search(r'\{% extends "([^"]+)" %\}', source)) is not None:
        if extended[1] in {"base_plain.html", "admin/base_site.html"}:
            return
        if "{% block breadcrumb %}" in source:
            break
        source = (ROOT / extended[1]).read_text()
    crumbs = source.split("{% block breadcrumb %}")[1].split("{% endblock %}")[0]
    assert 'aria-current="page"' in crumbs


def test_the_page_for_a_fault_of_ours_asks_nothing() -> None:
    """This test has no database; names of static files would be looked up in their manifest."""
    assert "<svg" in render_to_string("500.html")
    sources = [(ROOT / name).read_text() for name in ("500.html", "components/logo.html")]
    assert not any(tag in source for source in sources for tag in ("{% load", "{% url", "{{"))
