"""What the commands print, whole: a change here is a change that users see."""

from pathlib import Path

import pytest

from tests.cli.golden import README, TRANSCRIPTS, replay, replay_blocks


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_commands_print_what_their_transcript_says(path: Path):
    text = path.read_text()
    assert replay(text) == text


def test_the_readme_shows_what_its_commands_print():
    text = README.read_text()
    assert replay_blocks(text) == text
