"""What a card says of the private samples that took part."""

from collections.abc import Mapping
from typing import Any

from synthgen.report.wording import clean


def promise_lines(privacy: Mapping[str, Any]) -> list[str]:
    """Return the sentences on a manifest's ``privacy``: what is promised, to whom, and what it rests on."""
    if "epsilon" not in privacy:
        return ["Private samples took part in choosing what the PLMs saw, **without any protection**."]
    if str(privacy["noise"]).startswith("INSECURE"):
        return ["**No protection**: private samples took part, and the noise can be recomputed from the seed."]
    promise = "epsilon {epsilon:g}, delta {delta:g}".format(**privacy)
    lines = [
        f"Private samples took part through noised releases only: differential privacy of {promise}, neighbours: "
        f"{clean(privacy['adjacency'])}. No "
        "private text was in a prompt or is in this dataset.",
        f"- noise: {clean(privacy['noise'])}",
        f"- taken as public: {clean(privacy['public'])}",
    ]
    if "trust" in privacy:
        lines.append(
            f"- {privacy['parties']} parties; {clean(privacy['trust'])}; noise of {privacy['honest_parties']} suffices"
        )
    return [lines[0], "\n".join(lines[1:])]
