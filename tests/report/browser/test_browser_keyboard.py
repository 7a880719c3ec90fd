from typing import Any

from playwright.sync_api import expect
from run_pages import alone, invented, places, run_page
from test_browser_map import card_holds, shown


def tab_to(page: Any, condition: str) -> None:
    """Press the tabulator until ``condition`` holds of the element ``it`` that has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(f"(it => {condition})(document.activeElement)"):
            return
    raise AssertionError(f"the keyboard does not reach {condition}")


def test_the_keyboard_alone_reaches_filters_map_and_list(visit):
    samples, learned = invented(60)
    page = visit(run_page(samples, learned))
    shown(page)
    tab_to(page, "it.name === 'plm'")
    page.keyboard.press("o")
    expect(page.locator("#shown")).to_contain_text("20 of 60")
    tab_to(page, "it.id === 'map'")
    page.keyboard.press("PageDown")
    card_holds(page, "sample 1.")
    expect(page.locator("#spoken")).to_contain_text("sample 1.")
    page.keyboard.press("Enter")
    expect(page.locator("#card.kept")).to_be_visible()
    page.keyboard.press("PageDown")
    card_holds(page, "sample 4.")
    page.keyboard.press("Escape")
    card_holds(page, "No sample is chosen yet.")
    tab_to(page, "it.id === 'zoom-in'")
    tab_to(page, "it.id === 'order'")
    tab_to(page, "it.id === 'next'")
    page.keyboard.press("Enter")
    expect(page.locator("#page")).to_have_text("page 2 of 2")
    tab_to(page, "it.dataset.sample !== undefined")
    page.keyboard.press("Enter")
    expect(page.locator(":focus")).to_have_attribute("aria-expanded", "true")
    card_holds(page, "sample 31.")
    tab_to(page, "it.tagName === 'SUMMARY'")


def test_arrows_go_to_a_sample_in_their_direction(visit):
    samples, learned = invented(36)
    page = visit(run_page(samples, learned))
    shown(page)
    at = places(page, learned)
    page.focus("#map")
    start = alone(at)[0]
    page.locator("#map").click(position={"x": at[start][0], "y": at[start][1]})
    card_holds(page, f"sample {start}.")
    for key, axis, sign in (("ArrowRight", 0, 1), ("ArrowLeft", 0, -1), ("ArrowUp", 1, -1), ("ArrowDown", 1, 1)):
        before = int(page.get_attribute("#card", "data-sample"))
        ahead = [index for index in range(36) if sign * (at[index][axis] - at[before][axis]) > 0.6]
        page.keyboard.press(key)
        if ahead:
            expect(page.locator("#card")).not_to_have_attribute("data-sample", str(before))
        after = int(page.get_attribute("#card", "data-sample"))
        assert after in ahead if ahead else after == before, key


def test_zooming_keeps_samples_under_the_pointer(visit):
    samples, learned = invented(36)
    page = visit(run_page(samples, learned))
    shown(page)
    at = places(page, learned)
    middle = alone(at)[0]
    page.locator("#map").click(position={"x": at[middle][0], "y": at[middle][1]})
    card_holds(page, f"sample {middle}.")
    page.focus("#map")
    page.keyboard.press("+")
    page.keyboard.press("+")
    expect(page.locator("#regions span").first).to_be_hidden()
    ring = page.locator("#ring").bounding_box()
    page.mouse.move(5, 5)
    page.keyboard.press("Escape")
    card_holds(page, "No sample is chosen")
    page.mouse.move(ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
    card_holds(page, f"sample {middle}.")
    page.mouse.move(5, 5)
    page.focus("#map")
    page.keyboard.press("-")
    page.keyboard.press("-")
    expect(page.locator("#regions span").first).to_be_visible()
