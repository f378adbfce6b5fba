"""Rendering: a template of a package into one page in the browser's language; everything escaped, no script.

Templates extend ``base.html.j2`` of this package. Style sheets are this package's ``style.css`` and, if there is one,
the package's own, served together under the name of their hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from importlib import resources
from urllib.parse import quote

from aiohttp import web
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from appliance.bilingual import Language
from appliance.commandline import visible
from appliance.web import wording
from appliance.web.sessions import SESSION
from appliance.web.wording import Words

_HERE = "appliance.web"


class Stop(Exception):
    """Instead of what was asked for: a page that says why and what to do, ``stop.KEY_title``, ``_text``, ``_next``.

    ``retry_after``: seconds. ``values`` are filled into the texts.
    """

    def __init__(self, status: int, key: str, *, retry_after: int | None = None, **values: str | int) -> None:
        super().__init__(key)
        self.status = status
        self.key = key
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self.values = values


class Pages:
    """The pages of a package.

    Args:
        package: has ``templates/`` and ``wording.toml``.
        default: the language of browsers that ask for neither.
        facts: what every template is given besides, by name.
    """

    def __init__(self, package: str, *, default: Language = "ja", facts: Mapping[str, object] | None = None) -> None:
        self._package = package
        self._default = default
        self._facts = dict(facts or {})
        self._environment = _environment(package)
        self.style = _style(package)
        self.style_path = f"/style/{sha256(self.style.encode()).hexdigest()[:16]}.css"
        self.icon = resources.files(_HERE).joinpath("templates/icon.svg").read_bytes()

    def language(self, request: web.BaseRequest) -> Language:
        """The language for a request."""
        cookie = request.cookies.get(wording.COOKIE)
        return wording.chosen(cookie, request.headers.get("Accept-Language", ""), self._default)

    def words(self, request: web.BaseRequest) -> Words:
        """The texts in the language for a request."""
        return Words(self.language(request), self._package)

    def show(
        self,
        request: web.BaseRequest,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **facts: object,
    ) -> web.Response:
        """A page. Every template is given ``t`` (the words), ``path`` (of the page, for links) and ``csrf``."""
        session = request.get(SESSION)
        text = self._environment.get_template(template).render(
            **{
                **self._facts,
                "t": self.words(request),
                "path": request.path,
                "here": quote(request.raw_path, safe=""),
                "style": self.style_path,
                "csrf": "" if session is None else session.csrf,
                "session": session,
                **facts,
            }
        )
        more = {"Content-Language": self.language(request), **(headers or {})}
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=more)

    def stop(self, request: web.BaseRequest, why: Stop) -> web.Response:
        """The page that says why there is no other."""
        t = self.words(request)
        told = {part: t.has(f"stop.{why.key}_{part}") and t(f"stop.{why.key}_{part}", **why.values) for part in _PARTS}
        return self.show(request, "stop.html.j2", status=why.status, headers=why.headers, why=told, code=why.status)


_PARTS = ("title", "text", "next")


def _environment(package: str) -> Environment:
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(_HERE)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["visible"] = visible
    return made


def _style(package: str) -> str:
    texts = [resources.files(one).joinpath("templates/style.css") for one in dict.fromkeys((_HERE, package))]
    return "\n".join(text.read_text("utf-8") for text in texts if text.is_file())
