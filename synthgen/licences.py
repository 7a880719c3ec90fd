"""The licence of a dataset: the user's choice, in the Hub's words. Nothing here ever picks one."""

import re
from difflib import get_close_matches

from synthgen.errors import UserError

HUB_LICENCES = frozenset(
    """
    afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0
    bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
    cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 etalab-2.0
    eupl-1.1 eupl-1.2 fair-noncommercial-research-license gemma gfdl gpl gpl-2.0 gpl-3.0 grok2-community h-research
    intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 lppl-1.3c mit
    mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openmdw-1.0 openmdw-1.1 openrail openrail++ osl-3.0 pddl postgresql unknown
    unlicense wtfpl zlib
    """.split()
)
"""Identifiers that the Hub's list of licences has, without ``other``."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")


def check_license(text: str) -> str:
    """Return what a user gave as ``--license`` in the form in which it is kept: an identifier of the Hub, a name of
    the user's own, or ``NAME=URL`` with the address of its text.

    Raises ``UserError`` for what is neither, and names the identifier that a misspelt one is nearest to.
    """
    given, equals, address = (part.strip() for part in text.partition("="))
    words = [word for word in re.split(r"[\s_-]+", given.lower()) if word]
    name = "-".join(word for word in words if word not in {"license", "licence"})
    if name not in HUB_LICENCES:
        name = given.lower() if _NAME.fullmatch(given.lower()) else "-".join(words)
    if not _NAME.fullmatch(name) or name == "other":
        raise UserError(
            f"{given!r} names no licence; take one of the Hub's, such as cc-by-4.0, or --license NAME=URL for another."
        )
    if equals:
        if name in HUB_LICENCES:
            raise UserError(f"{name} is a licence of the Hub's own list; give --license {name} alone.")
        if not re.fullmatch(r"https?://\S+", address):
            raise UserError(f"The text of licence {name} must have an address: --license {name}=https://…")
        return f"{name}={address}"
    if name not in HUB_LICENCES and (close := _nearest(name)):
        raise UserError(
            f"There is no licence {given!r} known here; did you mean {close}? Another is --license NAME=URL."
        )
    return name


def license_fields(kept: str) -> dict[str, str]:
    """Return the front matter of a dataset card for what ``check_license`` returned."""
    name, _, address = kept.partition("=")
    if name in HUB_LICENCES:
        return {"license": name}
    return {"license": "other", "license_name": name, **({"license_link": address} if address else {})}


def _nearest(name: str) -> str | None:
    """Return the newest version of a family without its version (``cc-by``), else what is spelt alike."""
    family = [known for known in HUB_LICENCES if re.fullmatch(rf"{re.escape(name)}-[\d.]+", known)]
    close = get_close_matches(name, sorted(HUB_LICENCES), n=1, cutoff=0.75)
    return max(family) if family else close[0] if close else None
