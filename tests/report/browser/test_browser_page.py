from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from reporting import RECIPE
from run_pages import invented, run_page
from test_browser_map import shown
from waiting import wait_until

from synthgen.report.wording import clean

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
HOSTILE = [
    "<script>window.x=1</script>",
    "</script><script>window.x=1</script>",
    "</script><img src=x onerror='window.x=1'>",
    "<!--<script>",
    "javascript:window.x=1",
    "\"' onfocus='window.x=1' autofocus='",
    "\u2028window.x=1;//\u2029 \u202e right to left \ud800",
    "${window.x=1} {{window.x=1}} &lt;b&gt; \\u003cscript>",
    "",
]


def of_a_run(folder: Path) -> str:
    samples, learned = invented(48)
    chosen = [[{**one, "scores": {"influence": -0.1}} for one in samples[:6]], samples[6:8], samples[8:9]]
    return run_page(samples, learned, folder=folder, chosen=chosen)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_words_stay_words(visit, hostile):
    # Parquet, where the names come from, holds no lone surrogate; JSON, where texts come from, does.
    plm = f"a{hostile}".replace("\ud800", "")
    samples, learned = invented(24, [plm, "b"])
    for index, sample in enumerate(samples):
        sample |= {
            "text": f"{hostile} {index}",
            "text_pair": hostile,
            "label": f"{hostile}{index % 2}",
            "attribute": hostile,
        }
    chosen = [[{**one, "scores": {"role": hostile}} for one in samples[:2]]]
    page = visit(run_page(samples, learned, chosen=chosen, recipe={**RECIPE, "task": f"t{hostile}"}))
    assert shown(page) == 24
    page.select_option("[name=colour]", label="PLM")
    expect(page.locator("#legend li").first).to_have_text(f"{clean(plm)} (12)", use_inner_text=True)
    page.click("#list button >> nth=0")
    expect(page.locator("#card p").first).to_have_text(clean(f"{hostile} 0"))
    page.focus("#map")
    page.keyboard.press("PageDown")
    expect(page.locator("#card p").first).to_have_text(clean(f"{hostile} 1"))
    page.hover("#chart-weights canvas", position={"x": 300, "y": 100})
    assert page.evaluate("window.x") is None
    assert page.locator("script").count() == 5
    assert page.locator("img, iframe, a, object").count() == 0
    assert page.locator("body *[onerror], body *[onfocus]").count() == 0


@pytest.mark.parametrize("context", [{}, PHONE, {"color_scheme": "dark"}], ids=["desk", "phone", "dark"])
def test_nothing_hinders_who_cannot_see_or_point(visit, tmp_path, context):
    page = visit(of_a_run(tmp_path), **context)
    shown(page)
    page.focus("#map")
    page.keyboard.press("PageDown")
    page.click("#list button >> nth=0")
    for closed in page.locator("details > summary").all():
        closed.click()
    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found] == []


def test_a_phone_scrolls_one_way_only(visit, tmp_path):
    page = visit(of_a_run(tmp_path), **PHONE)
    shown(page)
    for closed in page.locator("details > summary").all():
        closed.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.locator("#canvas canvas").first.bounding_box()["width"] <= 360
    page.tap("#list button >> nth=1")
    expect(page.locator("#list .item >> nth=1")).to_contain_text("sample 1.")


def test_paper_has_still_pictures_and_all_that_is_folded(visit, tmp_path):
    page = visit(of_a_run(tmp_path), color_scheme="dark")
    shown(page)
    stills = page.locator("figure.still")
    expect(stills.first).to_be_hidden()
    page.emulate_media(media="print")
    for still in stills.all():
        expect(still).to_be_visible()
    expect(page.locator("#live-map")).to_be_hidden()
    expect(page.locator("details blockquote").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    paper = page.pdf(format="A4")
    assert paper.startswith(b"%PDF")
    assert paper.count(b"/Type /Page\n") > 1
    page.emulate_media(media="screen")
    expect(page.locator("#live-map")).to_be_visible()


def test_without_scripts_the_page_shows_pictures_and_tables(visit, tmp_path):
    page = visit(of_a_run(tmp_path), java_script_enabled=False)
    for still in page.locator("figure.still img").all():
        expect(still).to_be_visible()
    expect(page.locator("#live-map")).to_be_hidden()
    expect(page.locator("#still-note")).to_be_visible()
    for words in ("By PLM and label", "Demonstrations, and what", "Best and worst", "Budget", "PLM weights"):
        expect(page.get_by_text(words).first).to_be_visible()


def test_an_old_browser_keeps_the_picture_and_is_told(visit, tmp_path):
    page = visit(of_a_run(tmp_path), before="delete window.DecompressionStream")
    expect(page.locator("#still-note")).to_contain_text("too old")
    expect(page.locator("figure.still").first).to_be_visible()
    expect(page.locator("#live-map")).to_be_hidden()
    expect(page.locator("#chart-accuracy canvas").first).to_be_visible()


def test_charts_tell_a_value_under_the_pointer_and_are_redrawn_for_the_dark(visit, tmp_path):
    page = visit(of_a_run(tmp_path))
    shown(page)
    chart = page.locator("#chart-accuracy")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    before = chart.screenshot()
    # The first value lies on the left axis; 80.00 is the least and stands at the bottom.
    page.mouse.move(box["x"] + 58, box["y"] + box["height"] - 46)
    wait_until(lambda: chart.screenshot() != before)
    page.mouse.move(5, 5)
    drawn = "one => one.querySelector('canvas').toDataURL()"
    light = chart.evaluate(drawn)
    page.emulate_media(color_scheme="dark")
    wait_until(lambda: chart.evaluate(drawn) != light)


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """Return the address of a server and the paths it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("protected", [True, False])
def test_the_policy_lets_nothing_be_fetched_or_run(chromium, tmp_path, asked, protected):
    """With a network at hand: what is put into a page of ours fetches nothing; without the policy it would."""
    address, paths = asked
    html = of_a_run(tmp_path)
    path = tmp_path / "page.html"
    path.write_text(html if protected else html.replace("Content-Security-Policy", "x"), encoding="utf-8")
    context = chromium.new_context()
    page = context.new_page()
    page.goto(path.as_uri())
    page.evaluate(
        """address => {
            fetch(address + "/fetched").catch(() => 0);
            const add = (tag, more) => document.body.append(Object.assign(document.createElement(tag), more));
            add("img", {src: address + "/image"});
            add("script", {src: address + "/script"});
            add("script", {textContent: "window.x=1"});
            add("iframe", {src: address + "/frame"});
        }""",
        address,
    )
    if protected:
        page.wait_for_timeout(500)
        assert paths == []
        assert page.evaluate("window.x") is None
    else:
        page.wait_for_function("window.x == 1")
        wait_until(lambda: len(paths) == 4)
        assert sorted(paths) == ["/fetched", "/frame", "/image", "/script"]
    context.close()


@pytest.mark.slow
def test_sixty_thousand_samples(visit):
    samples, learned = invented(60_000)
    page = visit(run_page(samples, learned))
    assert shown(page) == 60_000
    page.select_option("[name=plm]", label="opt")
    expect(page.locator("#shown")).to_contain_text("20,000 of 60,000")
    expect(page.locator("#legend")).to_contain_text("(")
    page.focus("#map")
    page.keyboard.press("End")
    expect(page.locator("#card p").first).to_have_text("A plain sentence of sample 59998.")
    page.select_option("#order", label="most variable first")
    variability = learned["variability"].to_pylist()
    most = max((index for index in range(1, 60_000, 3)), key=lambda index: round(variability[index] * 65534))
    expect(page.locator("#list button").first).to_have_attribute("data-sample", str(most))
