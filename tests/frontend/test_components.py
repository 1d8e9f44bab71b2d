"""The page of all components: none is missing, each says what it needs, no production shows it."""

from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from frontend.specimens import described, specimens
from frontend.templatetags.lockstep import folded

pytestmark = pytest.mark.django_db
FILES = Path(settings.BASE_DIR, "frontend/templates/components")
NAMES = sorted(path.stem for path in FILES.glob("*.html"))


@pytest.fixture
def ada(client: Client) -> User:
    user = User.objects.create_user("ada")
    client.force_login(user)
    return user


def test_every_component_is_shown() -> None:
    assert sorted({item.name for item in specimens()}) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_component_says_what_it_is_for(name: str) -> None:
    assert len(described(name)) > 20


def test_each_is_drawn_in_both_themes(client: Client, ada: User, settings) -> None:
    settings.LOCKSTEP_COMPONENTS = True
    page = client.get(reverse("components")).text
    for name in NAMES:
        assert f'id="component-{name}"' in page
    assert page.count('<div class="theme-sheet" data-bs-theme="dark">') == len(NAMES)


def test_production_has_no_such_page(client: Client, ada: User) -> None:
    assert client.get(reverse("components")).status_code == 404


def test_a_notice_holds_more_than_a_text() -> None:
    source = '{% load lockstep %}{% notice "error" %}{{ text }} <a href="/">on</a>{% endnotice %}'
    html = Template(source).render(Context({"text": "<b>"}))
    assert '&lt;b&gt; <a href="/">on</a>' in html
    assert 'role="alert"' in html


@pytest.mark.parametrize("kind", ["command", "secret"])
def test_what_is_copied_is_what_was_written(kind: str) -> None:
    written = f'{{% command "{kind}" %}}\n{{{{ text }}}} && \\\n  b\n{{% endcommand %}}'
    html = Template("{% load lockstep %}" + written).render(Context({"text": "a <b>"}))
    assert ">a &lt;b&gt; && \\\n  b</pre><button" in html


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("One line.", ""),
        ("- a line\n" * 10, ""),
        ("- a line\n\n" * 10, ""),
        ("- a line\n" * 11, "everywhere"),
        ("word " * 110, "narrow"),
        ("word " * 220, "everywhere"),
    ],
)
def test_only_a_long_text_is_folded(text: str, where: str) -> None:
    assert folded(text) == where
    html = render_to_string("components/long_text.html", {"text": text, "label": "Description"})
    assert ("Show all" in html) == bool(where)
