"""Jinja templates in the language that the request wants. Autoescape is on for everything."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined, TemplateError, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

from server.errors import ConfigError
from server.people import formats, words
from server.people.i18n import COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import CodeType

    from jinja2.bccache import Bucket
    from starlette.requests import Request

    from server.people.accounts import LoginSession
    from server.people.i18n import Translations

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
TEMPLATES: Final = HERE / "templates"
YEAR_S: Final = 365 * 24 * 3600


def _json(value: object) -> Markup:
    """JSON for a data block inside a page: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))  # noqa: S704


def check_templates(folder: Path = TEMPLATES) -> None:
    """Every template can be read and understood: said at the start, and not to whoever opens the page."""
    for path in sorted(folder.rglob("*.html")):
        try:
            _understand(path.read_text("utf-8"))
        except (TemplateError, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"{path}: the template of a page is damaged ({reason}); install Kaofen again") from error


@cache  # by the text itself: another text is another question
def _understand(text: str) -> None:
    Environment(autoescape=True).parse(text)


class Compiled(BytecodeCache):
    """Each template is compiled once per process, whatever many applications it makes; stale when its text changes."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Code of this very text."""
        checksum, code = self._kept.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        """In the place of what an older text gave."""
        if bucket.code is not None:
            self._kept[bucket.key] = (bucket.checksum, bucket.code)


_COMPILED: Final = Compiled()


class Renderer:
    """Makes pages."""

    def __init__(self, translations: Translations, title: str) -> None:
        self.translations = translations
        self._env = Environment(
            loader=FileSystemLoader(TEMPLATES),
            bytecode_cache=_COMPILED,
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.globals.update(navigation=words.NAVIGATION, fmt=formats, words=words, title=title, asset=self._asset)
        self._env.filters["json_block"] = _json
        self._hashes: dict[str, str] = {}

    def know(self, paths: Iterable[str]) -> None:
        """The addresses that there are: the navigation leads to no other."""
        there = set(paths)
        self._env.globals["navigation"] = {href: name for href, name in words.NAVIGATION.items() if href in there}

    def page(
        self,
        request: Request,
        template: str,
        *,
        session: LoginSession | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """One whole page."""
        _ = self.translations.wanted(request)
        other = "en" if _.language == "zh" else "zh"
        html = self._env.get_template(template).render(
            _=_,
            path=request.url.path,
            other_language=request.url.include_query_params(lang=other).query,
            session=session,
            **values,
        )
        response = HTMLResponse(html, status, headers=dict(headers or {}))
        response.headers["content-language"] = _.html_lang
        response.headers["vary"] = "Cookie"
        if request.query_params.get("lang") == _.language:
            response.set_cookie(COOKIE, _.language, max_age=YEAR_S, path="/", secure=True, samesite="lax")
        return response

    def _asset(self, name: str) -> str:
        """The address of a static file, changed with its content so that it may be cached for ever."""
        if name not in self._hashes:
            self._hashes[name] = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
        return f"/static/{name}?v={self._hashes[name]}"
