"""Two languages: Chinese, in which the pages are written, and English from locales/en.po.

The catalogue is the .po file itself, read once at start: no build step, nothing generated to forget.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from babel.messages.pofile import read_po

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from scorelog.format.rubric_tables import Text

Language = Literal["zh", "en"]
COOKIE: Final = "kaofen-lang"
LOCALES: Final = Path(__file__).parent / "locales"
HTML_LANG: Final[Mapping[Language, str]] = {"zh": "zh-CN", "en": "en"}


def read_catalogue(path: Path) -> dict[str, str]:
    """Chinese text → translation, without those that nobody has translated."""
    with path.open("rb") as file:
        catalogue = read_po(file)
    return {str(m.id): str(m.string) for m in catalogue if m.id and m.string and not m.fuzzy}


class Translator:
    """Says a text in the language of one page. Missing English falls back to the Chinese text."""

    def __init__(self, language: Language, catalogue: Mapping[str, str]) -> None:
        self.language: Language = language
        self._catalogue = catalogue

    @property
    def html_lang(self) -> str:
        """The value of the page's lang attribute."""
        return HTML_LANG[self.language]

    def __call__(self, text: str, **values: object) -> str:
        """The text, with its {names} filled in."""
        said = self._catalogue.get(text, text)
        return said.format(**values) if values else said

    def of(self, both: Mapping[str, object]) -> str:
        """The right one of a pair {zh, en} that comes from a rubric."""
        return str(both.get(self.language) or both.get("zh") or "")

    def pair(self, text: Text) -> str:
        """The right one of a text in both languages that comes from a plan."""
        return text.zh if self.language == "zh" else text.en or text.zh

    def table(self, words: Mapping[str, str]) -> dict[str, str]:
        """A table of words.py in this language."""
        return {key: self(text) for key, text in words.items()}


class Translations:
    """Both translators, and which one a request wants."""

    def __init__(self) -> None:
        self._both: Mapping[Language, Translator] = {
            "zh": Translator("zh", {}),
            "en": Translator("en", read_catalogue(LOCALES / "en.po")),
        }

    def of(self, language: Language) -> Translator:
        """The translator of a language."""
        return self._both[language]

    def wanted(self, request: Request) -> Translator:
        """`?lang=`, else the cookie, else Chinese."""
        for said in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
            for language, translator in self._both.items():
                if said == language:
                    return translator
        return self._both["zh"]
