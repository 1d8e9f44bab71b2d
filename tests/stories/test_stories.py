"""The stories beside this file are true."""

from __future__ import annotations

from pathlib import Path

import pytest
import steps
import storybook

STORIES = sorted(Path(__file__).parent.glob("*.md"))


def test_there_are_stories() -> None:
    assert [path.name for path in STORIES] == [
        "one_feature_of_two.md",
        "rhel_9_2_to_9_3.md",
        "two_meanings_of_version_2.md",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("path", STORIES, ids=[path.stem for path in STORIES])
def test_story(path: Path) -> None:
    storybook.tell(path, steps.World())


def test_a_sentence_that_nobody_understands_is_an_error(tmp_path: Path) -> None:
    story = tmp_path / "story.md"
    story.write_text("# A story\n\n- Given something\n  that no step means\n")
    with pytest.raises(AssertionError, match="line 3: 0 steps understand"):
        storybook.tell(story, steps.World())
