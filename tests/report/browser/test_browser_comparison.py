from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from reporting import METRICS, RECIPE
from waiting import wait_until

from synthgen.report.comparison import aggregate_rows, comparison_rows
from synthgen.report.comparison_page import comparison_html, write_comparison

QUALITY = {"self_bleu": [0.9, 0.6, 0.3, 0.1, 0.05], "distinct": [0.02, 0.7], "mean_words": 30.5, "duplicates": 0.01}


def study(**arms: list[float]) -> list[dict[str, Any]]:
    runs = []
    for place, (arm, accuracies) in enumerate(arms.items()):
        for seed, accuracy in enumerate(accuracies):
            rounds = [accuracy - 0.02, accuracy - 0.01, accuracy]
            tokens = {"prompt": 1000 * (place + 1), "completion": 500}
            metrics = {
                **METRICS,
                "accuracy": accuracy,
                "accuracy_by_round": rounds,
                "tokens": tokens,
                "quality": QUALITY,
            }
            runs.append((f"{arm}/seed-{seed}", {**RECIPE, "seed": seed, "method": arm}, metrics))
    return comparison_rows(runs, arms=[name.split("/")[0] for name, _, _ in runs])


ROWS = study(zerogen=[0.80, 0.82, 0.81], fusegen=[0.84, 0.85, 0.83], wasp=[0.9])


def test_settings_runs_and_quality_are_all_there(visit, tmp_path):
    write_comparison(ROWS, aggregate_rows(ROWS), tmp_path / "comparison.html")
    page = visit((tmp_path / "comparison.html").read_text(encoding="utf-8"))
    told = page.inner_text("main")
    for words in ("81.00 ± 1.00", "78.52 to 83.48", "+3.00 [", "one seed", "60.00", "30.5", "paired by seed"):
        assert words in told, words
    for name in ("rounds", "costs"):
        expect(page.locator(f"#chart-{name} canvas").first).to_be_visible()
        legend = page.locator(f"#chart-{name} + .legend li")
        assert legend.all_inner_texts() == ["zerogen", "fusegen", "wasp"]
    page.click("summary")
    assert page.locator("details tbody tr").count() == 7


def test_a_point_of_the_chart_names_its_run(visit):
    page = visit(comparison_html(ROWS, aggregate_rows(ROWS)))
    chart = page.locator("#chart-costs")
    chart.scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    before = chart.screenshot()
    box = chart.bounding_box()
    # 3,500 tokens at 90 %: the point in the corner of both axes, which end there.
    page.mouse.move(box["x"] + box["width"] - 18, box["y"] + 14)
    wait_until(lambda: chart.screenshot() != before)


@pytest.mark.parametrize("context", [{}, {"viewport": {"width": 360, "height": 740}, "is_mobile": True}])
def test_it_is_for_everybody_and_for_phones(visit, context):
    page = visit(comparison_html(ROWS, aggregate_rows(ROWS)), **context)
    page.click("summary")
    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_hostile_names_stay_names(visit):
    hostile = "</script><img src=x onerror='window.x=1'>"
    rows = comparison_rows([(hostile, {**RECIPE, "method": hostile, "task": hostile}, METRICS), ("b", RECIPE, METRICS)])
    page = visit(comparison_html(rows, aggregate_rows(rows)))
    expect(page.locator("#chart-costs + .legend li").first).to_have_text(hostile)
    assert page.evaluate("window.x") is None
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("rows", [[], comparison_rows([("empty", {}, {})])])
def test_without_gold_there_is_nothing_to_draw(visit, rows):
    page = visit(comparison_html(rows, aggregate_rows(rows)))
    assert page.locator(".chart").count() == 0
    assert "None" not in page.inner_text("body")
