"""Templates are compiled and understood once per process; what is remembered goes by their text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jinja2 import DictLoader, Environment

from server.errors import ConfigError
from server.people.render import Compiled, check_templates

if TYPE_CHECKING:
    from pathlib import Path


def test_a_compiled_template_goes_stale_with_its_text() -> None:
    """Another environment takes the same code; another text is compiled anew, and takes the old one's place."""
    texts = {"page.html": "first {{ number }}"}
    compiled = Compiled()

    def page() -> str:
        return (
            Environment(loader=DictLoader(texts), bytecode_cache=compiled, autoescape=True)
            .get_template("page.html")
            .render(number=1)
        )

    assert (page(), page()) == ("first 1", "first 1")
    texts["page.html"] = "second {{ number }}"
    assert (page(), page()) == ("second 1", "second 1")
    texts["page.html"] = "first {{ number }}"
    assert page() == "first 1"


def test_a_template_that_was_understood_is_asked_again_when_it_changes(tmp_path: Path) -> None:
    """A damage after a good look is found; put right, it is good again."""
    page = tmp_path / "page.html"
    for text, good in (("{{ a }}", True), ("{{ a }", False), ("{{ a }}", True)):
        page.write_text(text)
        if good:
            check_templates(tmp_path)
        else:
            with pytest.raises(ConfigError, match=r"page\.html: the template"):
                check_templates(tmp_path)
