"""Ask what is known against the pinned versions: ``audit.py [constraints.txt]``.

Exit code 0: asked, nothing known. 1: something is known, and printed. 3: nobody could be asked, or not about all; then
nothing is said of these versions. An old version with a known hole is asked about first: where nothing is told of it,
the service that answered knows nothing, and its "nothing found" means nothing.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CANARY = "jinja2==2.11.2"
SERVICES = ("pypi", "osv")
NOT_ASKED = 3


def main(given: list[str]) -> int:
    """Ask each service in turn until one can tell."""
    path = Path(given[0]) if given else Path(__file__).resolve().parents[1] / "constraints.txt"
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "canary.txt"
        canary.write_text(f"{CANARY}\n", encoding="utf-8")
        for service in SERVICES:
            told, why = ask(canary, service)
            if not known(told):
                print(
                    f"{service}: could not be asked ({why or f'it knows nothing of {CANARY}, which has a known hole'})"
                )
                continue
            told, why = ask(path, service)
            return reported(told, why, service)
    print("!!! THE PINNED VERSIONS COULD NOT BE ASKED ABOUT: NOTHING IS SAID OF THEM !!!")
    return NOT_ASKED


def ask(path: Path, service: str) -> tuple[list[dict[str, Any]], str]:
    """Return what pip-audit says of each requirement, and the last words of one that fails."""
    command = ["-m", "pip_audit", "-r", str(path), "--no-deps", "--disable-pip", "-s", service, "-f", "json"]
    ran = subprocess.run(
        [sys.executable, *command, "--progress-spinner", "off", "--timeout", "30"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        found: list[dict[str, Any]] = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError):
        return [], ([*ran.stderr.strip().splitlines()] or ["no answer"])[-1]
    return found, ""


def known(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the requirements of which something is known."""
    return [one for one in told if one.get("vulns")]


def reported(told: list[dict[str, Any]], why: str, service: str) -> int:
    """Print what came of it and return the exit code."""
    for one in known(told):
        for hole in one["vulns"]:
            print(
                f"{one['name']} {one['version']}: {hole['id']}; mended in {', '.join(hole['fix_versions']) or 'none'}"
            )
    left = [one["name"] for one in told if "vulns" not in one]
    print(f"{service}: asked about {len(told) - len(left)} packages; {len(known(told))} with known holes.")
    if left or not told:
        print(f"Not asked about: {', '.join(left) or why}.")
    return 1 if known(told) else NOT_ASKED if left or not told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
