"""What a card says of the private samples that took part."""

from collections.abc import Mapping
from typing import Any

from synthgen.report.wording import clean, markdown

_NEIGHBOURS = {
    "add-remove one record": "two private sets that differ by one text more or less",
    "replace-one one record": "two private sets that differ in one text, which is another one",
    "add-remove one party": "two private sets that differ by all texts of one party more or less",
    "replace-one one party": "two private sets that differ in the texts of one party, which are others",
}
_MECHANISMS = {"gaussian": "discrete Gaussian noise on counts and sums", "exponential": "the exponential mechanism"}
_FILTER = (
    "**One step is not covered by that promise**: decontamination compared the finished samples with the private texts "
    "themselves, without noise, and left out those that overlap one. It keeps private wording out of the dataset, but "
    "which samples are missing depends on single private texts, so the dataset as it stands here is not differentially "
    "private in the strict sense; what was released before that step is."
)


def protects(privacy: Mapping[str, Any]) -> bool:
    """Tell whether a manifest's ``privacy`` promises anything."""
    return "epsilon" in privacy and not str(privacy["noise"]).startswith("INSECURE")


def promise_lines(
    privacy: Mapping[str, Any], ledger: Mapping[str, Any] | None = None, *, filtered: bool = False
) -> list[str]:
    """Return the paragraphs on a manifest's ``privacy``: what is promised, to whom, what was spent, what is left out.

    ``filtered``: samples that overlap private texts were left out. Nothing here tells how many private samples there
    were.
    """
    if "epsilon" not in privacy:
        return ["Private samples took part in choosing what the PLMs saw, **without any protection**."]
    if not protects(privacy):
        return ["**No protection**: private samples took part, and the noise can be recomputed from the seed."]
    promise = "epsilon {epsilon:g}, delta {delta:g}".format(**privacy)
    adjacency = clean(privacy["adjacency"])
    neighbours = f" ({_NEIGHBOURS[adjacency]})" if adjacency in _NEIGHBOURS else ""
    unit = "all texts of one party together" if adjacency.endswith("party") else "each private text by itself"
    lines = [
        *_spent(ledger or {}),
        f"- neighbours (adjacency): {markdown(adjacency)}{neighbours}",
        f"- unit protected: {unit}",
        f"- noise: {markdown(privacy['noise'])}",
        "- covered: every choice that private samples had a part in, and so the prompts, the texts and the weights "
        "that came of it",
        f"- taken as public: {markdown(privacy['public'])}",
        "- not covered: other runs on the same private samples, whose budgets add up; several texts of one person, who "
        "loses more than one text does",
    ]
    if "trust" in privacy:
        lines.append(
            f"- {privacy['parties']} parties; {markdown(privacy['trust'])}; the noise of {privacy['honest_parties']} "
            "of them suffices"
        )
    return [
        f"Private samples took part through noised releases only: differential privacy of {promise}. No private text "
        "was in a prompt.",
        "\n".join(lines),
        *([_FILTER] if filtered else []),
    ]


def _spent(ledger: Mapping[str, Any]) -> list[str]:
    spent = ledger.get("spent")
    if not spent:
        return []
    kinds = list(dict.fromkeys(release["mechanism"] for release in ledger.get("releases") or ()))
    made = " and ".join(_MECHANISMS.get(kind, markdown(kind)) for kind in kinds)
    said = f"- spent: epsilon {float(spent['epsilon']):.4g}, delta {float(spent['delta']):g}"
    return [f"{said}, in {len(ledger['releases'])} releases", f"- mechanism: {made}"] if made else [said]
