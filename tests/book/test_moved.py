"""Pictures that are moved, as a browser shows them: by the keyboard alone, with the numbers of the hand-written code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for extra in ("sphinx", "pydata_sphinx_theme"):
    pytest.importorskip(extra)

from experiments.book.interactive import for_page, keep, kept, said, script  # noqa: E402
from experiments.calculus.one_weight import EUROS, KILOGRAMS, loss_of  # noqa: E402
from experiments.drawing.interactive import Interactive, Slider, picked  # noqa: E402
from experiments.networks import hidden_layer  # noqa: E402
from manual.calculus import one_weight  # noqa: E402
from manual.networks.hidden_layer import forward  # noqa: E402
from manual.nn.functional import softmax  # noqa: E402
from tests.helpers import command  # noqa: E402

MADE = ("one_weight", "hidden_layer", "softmax", "attention", "convolution", "k_means")
MOVED = pytest.mark.parametrize("name", MADE)


def test_what_is_kept_is_what_was_computed(tmp_path: Path) -> None:
    keep(tmp_path, ())
    assert kept(tmp_path) == []
    picture = Interactive("t", "c", (Slider("a", (1, 2), 2),), ("It is", lambda a: f"{a}."))
    keep(tmp_path / "a", (picture,))
    found = kept(tmp_path / "a")
    assert found == [json.loads(json.dumps(picture.data()))]
    assert json.loads(script(tmp_path / "a").removeprefix("window.gradtwin = ").removesuffix(";\n")) == found
    assert [of["says"] for of in for_page(found)] == ["It is 2."]
    assert said(found[0], [0]) == "It is 1."


# ---- in a browser --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of what can be moved."""
    folder = tmp_path_factory.mktemp("moving") / "book"
    status, _, err = command("book", *MADE, "--out", str(folder))
    assert (status, err) == (0, "")
    return folder


@pytest.fixture
def opened(book: Path, browser: Any) -> Iterator[Any]:
    """Opens the page of a concept; in the end nothing may have been complained of, and nothing asked for elsewhere."""
    said, asked, contexts = list[str](), list[str](), []

    def open_it(name: str, width: int = 1400, scheme: str = "light", **more: Any) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **more))
        page = contexts[-1].new_page()
        page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: said.append(str(e)))
        page.on("request", lambda r: asked.append(r.url))
        page.goto((book / f"concepts/{name}.html").as_uri())
        page.wait_for_load_state("networkidle")
        return page

    yield open_it
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    for context in contexts:
        context.close()


def data_of(book: Path, name: str) -> list[dict[str, Any]]:
    (file,) = (book / ".cache" / "measured").glob(f"{name}-*/interactive.json")
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def drawing(figure: Any) -> str:
    """All that is drawn, and the words with their weights."""
    drawn: str = figure.evaluate("f => [...f.querySelectorAll('svg, .words')].map(e => e.innerHTML).join()")
    return drawn


@pytest.mark.long
@MOVED
def test_each_slider_is_moved_by_the_keyboard_and_both_picture_and_sentence_follow(book: Path, opened: Any, name: str) -> None:
    page, found = opened(name), data_of(book, name)
    figures = page.locator("figure.moving").all()
    assert len(figures) == len(found) > 0
    for figure, data in zip(figures, found, strict=True):
        at = [slider["at"] for slider in data["sliders"]]
        assert figure.locator(".says").inner_text() == said(data, at)
        for i, slider in enumerate(data["sliders"]):
            box = figure.locator(".control").nth(i)
            (box.locator("input") if slider["kind"] == "slider" else box.locator("input:checked")).focus()
            seen = {(drawing(figure), figure.locator(".says").inner_text())}
            for key, step in (("ArrowLeft", -1), ("ArrowLeft", -1), ("ArrowRight", 1)):
                page.keyboard.press(key)
                at[i] = min(max(at[i] + step, 0), len(slider["written"]) - 1)
                seen.add((drawing(figure), figure.locator(".says").inner_text()))
                assert figure.locator(".says").inner_text() == said(data, at)
                if slider["kind"] == "slider":
                    assert box.locator("output").inner_text() == slider["written"][at[i]]
                    assert box.locator("input").get_attribute("aria-valuetext") == slider["written"][at[i]]
                else:
                    assert box.locator("input:checked").get_attribute("aria-label") == slider["written"][at[i]]
            assert len(seen) > 1


def values_of(svg: Any, selector: str) -> np.ndarray:
    """The places of circles in a picture, in the units of its axes, which are read off its ticks: (n, 2)."""
    ticks = svg.evaluate(
        """s => ['under', 'beside'].map((of, i) => [...s.querySelectorAll(`.axes .${of}[x]`)].map(
             t => [Number(t.textContent.replace('−', '-').split('= ').pop()), Number(t.getAttribute(i ? 'y' : 'x'))])
             .filter(([v]) => !isNaN(v)))"""
    )
    dots = svg.evaluate(
        "(s, of) => [...s.querySelectorAll(of)].map(c => [c.getAttribute('cx'), c.getAttribute('cy')].map(Number))", selector
    )
    found = []
    for axis, (of, shift) in enumerate(zip(ticks, (0, 4), strict=True)):
        (v0, p0), *_, (v1, p1) = of
        found.append(v0 + (np.array(dots)[:, axis] - (p0 - shift)) / (p1 - p0) * (v1 - v0))
    return np.stack(found, axis=1)


@pytest.mark.long
def test_the_dots_of_the_bowl_are_where_the_walk_by_hand_goes(opened: Any) -> None:
    page = opened("one_weight")
    lr, steps = page.locator("figure.moving input").all()
    press(page, lr, "ArrowRight", 20)
    press(page, steps, "ArrowRight", 1)
    expected = one_weight.train(KILOGRAMS, EUROS, 0.0, 0.25, 5)
    dots = values_of(page.locator("figure.moving svg").nth(0), "circle.by-hand")
    np.testing.assert_allclose(dots, np.stack([expected, loss_of(expected)], axis=1), atol=2e-4)
    (part,) = values_of(page.locator("figure.moving svg").nth(1), "circle.by-hand")
    np.testing.assert_allclose(part, [0.25, 1 - 0.25 * one_weight.curvature(KILOGRAMS)], atol=2e-3)  # a tick there has three digits
    assert f"After 5 steps w is {expected[5]:.3g} and" in page.locator(".says").inner_text()


def press(page: Any, slider: Any, key: str, times: int) -> None:
    """A key on a slider."""
    slider.focus()
    for _ in range(times):
        page.keyboard.press(key)


@pytest.mark.long
def test_the_corners_are_where_the_units_by_hand_put_them(opened: Any) -> None:
    page = opened("hidden_layer")
    w0, w1, b, b2 = page.locator("figure.moving input").all()
    for slider, key, times in ((w0, "ArrowRight", 1), (w1, "ArrowLeft", 2), (b, "ArrowRight", 0), (b2, "ArrowLeft", 1)):
        press(page, slider, key, times)
    corners = np.array([[0.0, 0.0], [2.0, 2.0]])  # of class 0, which are round
    expected = forward(corners, **hidden_layer.TWO_UNITS)["h"]  # the first unit has come to these weights
    dots = values_of(page.locator("figure.moving svg").nth(1), "circle.zero")
    np.testing.assert_allclose(dots, expected, atol=1e-4)
    assert page.locator("circle.wrong").count() == 0
    assert "4 of the 4 corners are right" in page.locator(".says").inner_text()
    press(page, w0, "ArrowLeft", 2)
    assert page.locator("circle.wrong").count() == 2  # one, in either picture
    assert "3 of the 4" in page.locator(".says").inner_text()


@pytest.mark.long
def test_the_bars_are_as_high_as_softmax_by_hand(opened: Any) -> None:
    page = opened("softmax")
    figure = page.locator("figure.moving").nth(1)
    press(page, figure.locator("input"), "ArrowLeft", 5)
    temperature = float(figure.locator("output").inner_text())
    expected = softmax(np.array([2.0, 1.0, 0.5, -1.0]) / temperature)
    bars = figure.locator("svg").first.evaluate("s => [...s.querySelectorAll('.bar')].map(b => Number(b.getAttribute('height')))")
    np.testing.assert_allclose(np.array(bars) / sum(bars), expected, atol=1e-4)
    assert temperature != 1
    assert figure.locator("svg").first.locator(".word").all_text_contents() == [f"{100 * p:.1f} %" for p in expected]
    naive = page.locator("figure.moving").first
    press(page, naive.locator("input"), "End", 1)
    assert naive.locator("svg").first.locator(".word").all_text_contents() == ["NaN"] * 4
    assert "NaN" not in naive.locator("svg").nth(1).inner_html()


@pytest.mark.long
def test_the_window_has_made_all_pixels_before_it_and_none_behind(book: Path, opened: Any) -> None:
    page, (data,) = opened("convolution"), data_of(book, "convolution")
    kernel, row, column = page.locator("figure.moving input").all()
    press(page, row, "ArrowRight", 1)
    press(page, column, "Home", 1)
    press(page, kernel, "ArrowRight", 1)
    out = np.array(picked(data["panels"][2]["marks"][0]["values"], (1, 4, 0)))
    cells = (
        page.locator("figure.moving svg")
        .nth(2)
        .evaluate("s => [...s.querySelectorAll('.cell')].map(c => [c.classList[1], Number(c.getAttribute('fill-opacity'))])")
    )
    assert cells == [["below" if v < 0 else "above", abs(v)] for v in out.ravel()[:33]]
    assert page.locator(".says").inner_text().startswith("Row 4, column 0,")


@pytest.mark.long
def test_a_place_that_is_pointed_at_says_where_it_looks(book: Path, opened: Any) -> None:
    page, (data,) = opened("attention"), data_of(book, "attention")
    figure, (words,) = page.locator("figure.moving"), data["sliders"]
    for place in (3, 7, 3):
        figure.locator(".words label").nth(place).hover()
        assert figure.locator(".says").inner_text() == said(data, [place])
        assert figure.locator("input:checked").get_attribute("value") == str(place)
        lit = figure.locator(".words label").evaluate_all("all => all.map(l => Number(l.style.getPropertyValue('--weight')))")
        assert lit == words["weights"]["of"][place]
        written = figure.locator(".words small").all_inner_texts()
        assert written == [f"{100 * w:.0f}" if w >= 0.005 else "" for w in lit]
        assert sum(lit) == pytest.approx(1, abs=1e-3)


@pytest.mark.long
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1400, "light")])
@MOVED
def test_it_fits_and_breaks_no_rule_of_access(opened: Any, name: str, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = opened(name, width, scheme)
    page.locator("figure.moving input:not([type=radio])").evaluate_all("all => all.forEach(e => e.stepUp(3))")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    within = (
        "f => f.scrollWidth <= f.clientWidth && [...f.querySelectorAll('.panels svg')].every(s => s.getBoundingClientRect().width > 250)"
    )
    assert all(figure.evaluate(within) for figure in page.locator("figure.moving").all())
    found = axe.Axe().run(page, options={"preload": False})  # which would read files by requests
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.long
@MOVED
def test_it_is_printed_as_it_was_first(book: Path, opened: Any, name: str) -> None:
    page = opened(name)
    figure, (data, *_) = page.locator("figure.moving").first, data_of(book, name)
    figure.locator("input").first.focus()
    page.keyboard.press("ArrowRight")
    moved, drawn = figure.locator(".says").inner_text(), drawing(figure)
    page.evaluate("addEventListener('beforeprint', () => { window.printed = document.querySelector('.moving .says').textContent; })")
    page.pdf()
    assert page.evaluate("window.printed") == said(data, [slider["at"] for slider in data["sliders"]]) != moved
    assert figure.locator(".says").inner_text() == moved
    assert drawing(figure) == drawn


@pytest.mark.long
@MOVED
def test_without_javascript_the_sentence_is_there_and_nothing_pretends_to_move(opened: Any, name: str) -> None:
    page = opened(name, java_script_enabled=False)
    assert len(page.locator("figure.moving .says").first.inner_text()) > 40
    assert page.locator("figure.moving input:enabled").count() == 0
