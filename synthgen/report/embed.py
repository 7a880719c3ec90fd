"""How a page carries its data and its scripts with it, and why nothing else can run or be fetched."""

import json
import zlib
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from synthgen.report.wording import ABSENT, clean, count, duration, percent

_HERE = Path(__file__).parent
_KINDS = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


@cache
def template(name: str) -> Template:
    """Return the template ``name`` of ``pages/``. It escapes what it is given, and a misspelt name in it raises."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(clean=clean, count=count, duration=duration, percent=percent, points=_points)
    environment.globals.update(absent=ABSENT, style=Markup((_HERE / "pages" / "style.css").read_text(encoding="utf-8")))
    return environment.get_template(name)


@cache
def scripts(*names: str) -> tuple[Markup, ...]:
    """Return the plotting library and the named files of ``pages/`` as two inline scripts, in that order."""
    library = (_HERE / "assets" / "echarts.min.js").read_text(encoding="utf-8")
    own = "".join((_HERE / "pages" / name).read_text(encoding="utf-8") for name in names)
    return Markup(library), Markup(f'"use strict";\n(() => {{\n{own}}})();\n')


def policy(inline: Sequence[str]) -> str:
    """Return the content security policy that runs these scripts by their hashes and lets nothing be fetched."""
    hashes = " ".join(f"'sha256-{b64encode(sha256(one.encode()).digest()).decode('ascii')}'" for one in inline)
    run = f"script-src {hashes}" if hashes else "script-src 'none'"
    return f"default-src 'none'; {run}; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def json_block(value: Any) -> Markup:
    """Return ``value`` as ASCII JSON in which no character can end or open an element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def packed(data: bytes) -> str:
    """Return ``data`` deflated (zlib, RFC 1950) in base64, as a browser's ``DecompressionStream`` reads it."""
    return b64encode(zlib.compress(data, 6)).decode("ascii")


def picture(path: Path) -> str:
    """Return the image file as a data address. Raises ``OSError`` where it cannot be read."""
    kind = _KINDS.get(path.suffix.lower(), "application/octet-stream")
    return f"data:{kind};base64,{b64encode(path.read_bytes()).decode('ascii')}"


def _points(value: float) -> str:
    """Return a difference in percentage points, with its sign."""
    return f"{value:+.2f}"
