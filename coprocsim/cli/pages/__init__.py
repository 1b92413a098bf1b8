"""Pages to look at and send on: each is one file that needs nothing else, in one style, light or dark as its reader's
screen is.

What a page takes from files and users is text in it: `escape` it, or embed it with `data`.
"""

import json
from collections.abc import Iterable
from html import escape
from importlib.resources import files


def page(title: str, styles: Iterable[str], body: Iterable[str], scripts: Iterable[str] = ()) -> str:
    """Return a page as HTML: `styles` and `scripts` are files of this folder, `body` is HTML."""
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{''.join(map(_own, ('style.css', *styles)))}</style>",
        *body,
    ]
    code = "\n".join(map(_own, scripts))
    if code:
        parts.append(f'<script type="module">\n{code}</script>')
    return "\n".join([*parts, "</html>"]) + "\n"


def unbroken(text: str) -> str:
    """Return HTML that breaks a line at spaces only, or inside a word that is too long for one, and not at hyphens."""
    return " ".join(f'<span class="unbroken">{escape(word)}</span>' for word in text.split(" "))


def data(identifier: str, document: object) -> str:
    """Return a script element that holds a document as JSON; nothing in it can end the element."""
    text = json.dumps(document, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{identifier}">{text}</script>'


def _own(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
