import io
import math
import re
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect
from run_pages import PLMS, STEPS, alone, invented, places, run_page, step_of
from waiting import wait_until


def shown(page: Any) -> int:
    """Return the number of samples that the page says are shown, once it has said it."""
    page.wait_for_selector("#list li")
    return int(re.match(r"[\d,]+", page.inner_text("#shown")).group().replace(",", ""))


def listed(page: Any) -> list[int]:
    """Return the places of all samples of the list, page by page."""
    found: list[int] = []
    while True:
        found += page.eval_on_selector_all("#list button", "all => all.map(one => Number(one.dataset.sample))")
        if page.locator("#next").is_disabled():
            return found
        said = page.inner_text("#page")
        page.click("#next")
        expect(page.locator("#page")).not_to_have_text(said)
        expect(page.locator(f'#list button[data-sample="{found[-1]}"]')).to_have_count(0)


def card_holds(page: Any, words: str) -> None:
    expect(page.locator("#card")).to_contain_text(words)


def hover(page: Any, place: Sequence[float]) -> None:
    page.locator("#map").hover(position={"x": place[0], "y": place[1]})


def test_pointing_at_a_sample_shows_it_and_clicking_keeps_it(visit):
    samples, learned = invented()
    samples[5]["attribute"] = "food"
    page = visit(run_page(samples, learned, chosen=[[{**samples[5], "scores": {"influence": -0.25}}]]))
    shown(page)
    at = places(page, learned)
    single = alone(at)
    assert len(single) > 8
    for index in single:
        hover(page, at[index])
        card_holds(page, f"sample {index}.")
        told = page.inner_text("#card")
        row = learned.slice(index, 1).to_pylist()[0]
        for name in ("confidence", "variability", "correctness", "cross_model_confidence", "cross_model_variability"):
            assert f"{round(65534 * row[name]) / 65534:.3f}" in told, name
        for words in (samples[index]["label"], samples[index]["plm"], "weight", "1.00", samples[index]["id"]):
            assert words in told
    page.mouse.move(5, 5)
    card_holds(page, "No sample is chosen yet.")
    page.locator("#map").click(position={"x": at[single[0]][0], "y": at[single[0]][1]})
    hover(page, at[single[1]])
    card_holds(page, f"sample {single[1]}.")
    page.mouse.move(5, 5)
    card_holds(page, f"sample {single[0]}.")


def test_a_sample_tells_its_attribute_its_pair_and_what_it_was_chosen_by(visit):
    samples, learned = invented()
    samples[3] |= {"attribute": "food", "text_pair": "And a second one."}
    page = visit(run_page(samples, learned, chosen=[[{**samples[3], "scores": {"influence": -0.25}}]]))
    page.select_option("[name=attribute]", label="food")
    expect(page.locator("#list button")).to_have_count(1)
    page.click("#list button")
    card_holds(page, "And a second one.")
    told = page.inner_text("#card")
    assert "food" in told
    assert "after round 0 · influence -0.25" in told
    page.select_option("[name=attribute]", label="all")
    page.select_option("[name=chosen]", label="chosen to be shown")
    expect(page.locator("#list button")).to_have_count(1)
    assert listed(page) == [3]


CHOICES = [
    *(("plm", name, lambda sample, _, name=name: sample["plm"] == name) for name in PLMS),
    *(("label", name, lambda sample, _, name=name: sample["label"] == name) for name in ("negative", "positive")),
    *(("round", str(name), lambda sample, _, name=name: sample["round"] == name) for name in range(3)),
    *(
        ("correctness", name, lambda _, row, which=which: step_of(row["correctness"]) == which)
        for which, name in enumerate(STEPS)
    ),
]  # fmt: skip


def test_every_filter_shows_its_samples_and_no_others(visit):
    samples, learned = invented(60)
    page = visit(run_page(samples, learned))
    assert shown(page) == 60
    at, rows = places(page, learned), learned.to_pylist()
    single = alone(at)
    for field, value, belongs in CHOICES:
        page.select_option(f"[name={field}]", label=value)
        wanted = [index for index, (sample, row) in enumerate(zip(samples, rows, strict=True)) if belongs(sample, row)]
        assert shown(page) == len(wanted), (field, value)
        drawn = page.eval_on_selector_all(
            "#legend li", r"all => all.map(one => Number(one.textContent.match(/\((.*)\)/)[1]))"
        )
        assert sum(drawn) == len(wanted)
        page.wait_for_timeout(50)
        assert listed(page) == wanted, (field, value)
        for index in single[:6]:
            hover(page, at[index])
            card_holds(page, f"sample {index}." if index in wanted else "No sample is chosen yet.")
        page.mouse.move(5, 5)
        page.select_option(f"[name={field}]", label="all")
        assert shown(page) == 60


def test_of_many_samples_a_share_is_drawn_and_the_page_says_so(visit, monkeypatch):
    monkeypatch.setattr("synthgen.report.drawn.MOST", 30)
    samples, learned = invented(300)
    page = visit(run_page(samples, learned, chosen=[[samples[7]]]))
    held = shown(page)
    assert 30 <= held < 100
    expect(page.locator("#drawn")).to_contain_text(f"Map and list hold {held} of 300 samples")
    expect(page.locator("#shown")).to_contain_text(f"{held} of {held} samples drawn from 300 shown")
    page.select_option("[name=chosen]", label="chosen to be shown")
    expect(page.locator("#list button")).to_have_count(1)
    page.click("#list button")
    card_holds(page, "sample 7. ")
    assert samples[7]["id"] in page.inner_text("#card")


def test_filters_add_up_and_all_come_back(visit):
    samples, learned = invented(60)
    page = visit(run_page(samples, learned))
    page.select_option("[name=plm]", label="opt")
    page.select_option("[name=label]", label="positive")
    page.select_option("[name=colour]", label="PLM")
    both = [one for one in samples if (one["plm"], one["label"]) == ("opt", "positive")]
    assert shown(page) == len(both)
    assert "opt (" in page.inner_text("#legend")
    page.click("text=Show all")
    expect(page.locator("#shown")).to_contain_text("60 of 60")
    assert "0.8–1 (" in page.inner_text("#legend")
    page.select_option("[name=plm]", label="gpt2")
    assert page.get_attribute("#shown", "aria-live") == "polite"


def test_the_list_is_ordered_as_asked(visit):
    samples, learned = invented()
    page = visit(run_page(samples, learned))
    shown(page)
    page.select_option("#order", label="least confident first")
    confidence = learned["confidence"].to_pylist()
    wanted = sorted(range(len(samples)), key=lambda index: round(confidence[index] * 65534))
    expect(page.locator("#list button").first).to_have_attribute("data-sample", str(wanted[0]))
    assert listed(page) == wanted


def test_samples_without_dynamics_are_listed_and_said_to_be_off_the_map(visit):
    samples, learned = invented()
    page = visit(run_page(samples, learned.slice(0, 30)))
    assert shown(page) == 36
    assert "6 of them not on the map" in page.inner_text("#shown")
    page.select_option("[name=correctness]", label="not measured")
    assert shown(page) == 6
    page.click("#list button")
    card_holds(page, "sample 30.")


@pytest.mark.parametrize("colour", ["correctness", "PLM", "label", "round"])
def test_colours_follow_the_choice_and_hold_all_samples(visit, colour):
    samples, learned = invented(60)
    page = visit(run_page(samples, learned))
    page.select_option("[name=colour]", label=colour)
    said = page.eval_on_selector_all("#legend li", "all => all.map(one => one.textContent)")
    names = {"correctness": STEPS, "PLM": PLMS, "label": ["negative", "positive"], "round": ["0", "1", "2"]}[colour]
    assert [one.split(" (")[0] for one in said] == names
    used = [
        swatch.evaluate("one => getComputedStyle(one).backgroundColor.match(/[0-9]+/g).map(Number)")
        for swatch in page.locator("#legend .swatch").all()
        if " (0)" not in swatch.evaluate("one => one.parentElement.textContent")
    ]

    def drawn() -> bool:
        with Image.open(io.BytesIO(page.locator("#canvas").screenshot())) as picture:
            pixels = {pixel for _, pixel in picture.convert("RGB").getcolors(1 << 24)}
        return all(any(math.dist(colour, pixel) < 60 for pixel in pixels) for colour in used)

    wait_until(drawn)


def test_many_names_share_a_colour_and_so_do_samples_without_one(visit):
    samples, learned = invented(60, [f"plm{number}" for number in range(12)])
    for sample in samples[:20]:
        sample["attribute"] = "food"
    page = visit(run_page(samples, learned))
    legend = page.locator("#legend li")
    page.select_option("[name=colour]", label="PLM")
    expect(legend).to_have_count(8)
    expect(legend.last).to_have_text("others (25)")
    page.select_option("[name=colour]", label="attribute")
    expect(legend).to_have_text(["food (20)", "others (40)"])
