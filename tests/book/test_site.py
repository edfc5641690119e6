"""The book of three concepts, as `python -m experiments book` makes it, and as a browser shows it."""

from __future__ import annotations

import inspect
import json
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

for extra in ("sphinx", "pydata_sphinx_theme"):
    pytest.importorskip(extra)

import experiments.book  # noqa: E402
from experiments.book.cache import Kept, place  # noqa: E402
from experiments.book.drawn import COLUMNS, NARROW, STEPS, call_of, course_of, map_of, moved  # noqa: E402
from experiments.book.of_classes import LIBRARIES, of_base, of_class  # noqa: E402
from experiments.book.pages import WEEKS, marked, readme  # noqa: E402
from experiments.book.sides import AUTOGRAD, MANY, NOTHING, Piece, side_by_side  # noqa: E402
from experiments.book.site import Sources  # noqa: E402
from experiments.book.work import Seconds  # noqa: E402
from experiments.curriculum import PATH, entries, entry  # noqa: E402
from experiments.glossary import TERMS  # noqa: E402
from experiments.judge.schedule_case import SCHEDULE_CASES, Scheduled  # noqa: E402
from tests.helpers import command  # noqa: E402

MADE = ("one_weight", "derivatives", "hidden_layer")
WIDTHS = (390, 1400)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book, made from nothing."""
    folder = tmp_path_factory.mktemp("a") / "book"
    status, out, err = command("book", *MADE, "--out", str(folder))
    assert (status, err) == (0, "")
    assert f"The book: {folder / 'index.html'}" in out
    return folder


class Links(HTMLParser):
    """What a page refers to, and what can be referred to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.ids, self.loads, self.alts = list[str](), set[str](), list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {k: v or "" for k, v in attributes}
        self.ids |= {given[k] for k in ("id", "name") if k in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("img", "script", "link", "object", "iframe") and given.get("rel") not in ("search", "next", "prev", "index"):
            self.loads += [given[k] for k in ("src", "href", "data") if given.get(k)]
        if tag == "img":
            self.alts.append(given.get("alt", ""))


def pages(book: Path) -> dict[Path, Links]:
    return {p: Links(p.read_text(encoding="utf-8")) for p in book.rglob("*.html") if not {".cache", "_static"} & {*p.parts}}


@pytest.mark.long
def test_every_link_and_anchor_resolves_and_nothing_comes_from_elsewhere(book: Path) -> None:
    found = pages(book)
    assert len(found) > 100
    for page, of in found.items():
        for link in of.links + of.loads:
            to = urlsplit(link)
            if to.scheme in ("http", "https"):
                assert link not in of.loads, (page, link)
                continue
            target = (page.parent / unquote(to.path)).resolve() if to.path else page
            assert target.is_file(), (page, link)
            if to.fragment and target.suffix == ".html" and "search" not in target.name:
                assert unquote(to.fragment) in found[target].ids, (page, link)


@pytest.mark.long
def test_a_page_has_what_a_learner_needs(book: Path) -> None:
    page = (book / "concepts" / "hidden_layer.html").read_text(encoding="utf-8")
    for heading in ("The lesson", "Line by line", "What a run shows", "Predict", "Write it yourself", "A common mistake", "Both files"):
        assert f"<h2>{heading}<" in page, heading
    told = json.loads(next((book / ".cache" / "measured").glob("hidden_layer-*/told.json")).read_text(encoding="utf-8"))
    assert told["agree"]
    assert told["learned"] in page
    text = unescape(page)
    assert all(q["answer"] in text and q["why"] in text for q in told["questions"])
    assert "manual/networks/hidden_layer.py" in page
    assert "torch_impl/networks/hidden_layer.py" in page
    assert all(alt for of in pages(book).values() for alt in of.alts)
    assert "<code>dL_dW1</code> 2 × 16" in page
    assert ", before training</h3>" in page
    assert "Both files" in page


@pytest.mark.long
def test_every_term_is_in_the_glossary(book: Path) -> None:
    ids = pages(book)[book / "glossary.html"].ids
    assert {f"term-{i}" for i in range(len(TERMS))} <= ids


@pytest.mark.long
def test_what_has_not_changed_is_neither_measured_nor_written_again(book: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in book.rglob("*.html")}
    status, out, err = command("book", *MADE, "--out", str(book))
    assert (status, err) == (0, "")
    assert "of 3:" not in out
    changed = [p.name for p, t in before.items() if p.stat().st_mtime_ns != t]
    assert set(changed) <= {"genindex.html", "search.html"}


# ---- in a browser --------------------------------------------------------------------------------------


SOME = (
    "index",
    "judged",
    "teachers",
    "concepts/index",
    "concepts/hidden_layer",
    "concepts/one_weight",
    "glossary",
    "layers/Linear",
    "layers/index",
    "schedules/OneCycleLR",
    "mistakes",
    "speed",
    "map",
)


@pytest.mark.long
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SOME)
def test_a_page_fits_has_no_error_and_breaks_no_rule_of_access(book: Path, browser: Any, name: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = browser.new_page(viewport={"width": width, "height": 900})
    said, asked = list[str](), list[str]()
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: said.append(str(e)))
    page.on("request", lambda r: asked.append(r.url))
    page.goto((book / f"{name}.html").as_uri())
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.close()


@pytest.mark.long
def test_search_finds_a_word(book: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{(book / 'search.html').as_uri()}?q=softmax")
    page.wait_for_selector("#search-results li a")
    assert "Softmax" in page.inner_text("#search-results")
    page.close()


# ---- its parts -------------------------------------------------------------------------------------------


def test_a_source_is_written_only_where_it_has_changed(tmp_path: Path) -> None:
    first = Sources(tmp_path)
    first.write("a/b.rst", "one")
    first.write("c.rst", "two")
    stamp = (tmp_path / "a/b.rst").stat().st_mtime_ns
    second = Sources(tmp_path)
    second.write("a/b.rst", "one")
    second.tidy()
    assert (tmp_path / "a/b.rst").stat().st_mtime_ns == stamp
    assert not (tmp_path / "c.rst").exists()


def test_what_is_kept_hangs_on_the_files_that_a_concept_runs_through(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import experiments.book.cache as cache

    names = ("one_weight", "hidden_layer", "digits_cnn", "transfer", "gpt", "lstm")
    before = {name: place(tmp_path, name) for name in names}
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda p: real(p) + (b"#" if str(p).endswith("manual/nn/ctc.py") else b""))
    cache.digest.cache_clear()
    assert {name: place(tmp_path, name) for name in names} == before
    monkeypatch.setattr(Path, "read_bytes", lambda p: real(p) + (b"#" if str(p).endswith("manual/nn/conv.py") else b""))
    cache.digest.cache_clear()
    moved = {name for name in names if place(tmp_path, name) != before[name]}
    cache.digest.cache_clear()
    assert moved == {"digits_cnn", "transfer"}


def test_what_was_told_is_read_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "one_weight-0123")
    assert not kept.is_there
    kept.tell({"agree": True})
    assert kept.is_there
    assert kept.told() == {"agree": True}


def test_what_takes_longest_is_begun_first(tmp_path: Path) -> None:
    seconds = Seconds(tmp_path / "seconds.json")
    assert seconds.longest_first(["a", "b", "c"]) == ["c", "b", "a"]
    for name, parts in {"a": {"run": 1.0, "check": 3.0}, "b": {"run": 2.0}, "d": {"run": 3.0}}.items():
        seconds.keep(name, parts)
    assert Seconds(tmp_path / "seconds.json").longest_first(["a", "b", "c", "d"]) == ["c", "a", "d", "b"]


def test_every_layer_optimizer_and_schedule_has_a_page() -> None:
    layers, optimizers, schedules = ({c.__name__: c for c in library.classes()} for library in LIBRARIES)
    assert len(layers) > 80
    assert {"SGD", "Adam", "AdamW"} <= set(optimizers)
    assert {"CosineAnnealingLR", "OneCycleLR", "ReduceLROnPlateau"} <= set(schedules)
    assert ".. twin:: manual.optim.adam.AdamW.update torch.optim.adam._single_tensor_adam" in of_class(optimizers["AdamW"], LIBRARIES[1])
    cosine = of_class(schedules["CosineAnnealingLR"], LIBRARIES[2])
    assert "(1 + cos(π t / T_max)) / 2" in cosine
    assert "torch.optim.lr_scheduler.CosineAnnealingLR._get_closed_form_lr" in cosine
    linear = of_class(layers["Linear"], LIBRARIES[0])
    assert ".. twin:: manual.nn.linear.Linear.backward \n" in linear


def test_a_derivation_that_stands_elsewhere_is_on_the_page() -> None:
    layers = {c.__name__: c for c in LIBRARIES[0].classes()}
    for name, function in (("LSTM", "lstm"), ("GRUCell", "gru"), ("RNN", "rnn")):
        shown = of_class(layers[name], LIBRARIES[0])
        assert f".. twin:: manual.nn.recurrence.{function}\n" in shown, name
        assert f".. twin:: manual.nn.recurrence.{function}_backward\n" in shown, name
        assert "hidden_size" in shown.partition("Arguments and shapes")[2], name
    assert "Arguments and shapes" not in of_class(layers["Linear"], LIBRARIES[0])


def test_what_a_base_says_and_the_function_that_does_the_arithmetic_are_on_the_page() -> None:
    layers = {c.__name__: c for c in LIBRARIES[0].classes()}
    for name, function in (
        ("BatchNorm2d", "batchnorm.batch_norm"),
        ("Conv1d", "conv.correlate"),
        ("LayerNorm", "normalization.normalize_rows"),
    ):
        assert f".. twin:: manual.nn.{function}\n" in of_class(layers[name], LIBRARIES[0]), name
    told = of_class(layers["BatchNorm2d"], LIBRARIES[0]).partition("Derivation, arguments and shapes")[2]
    assert "num_features" in told
    assert ".. twin:: manual.nn.batchnorm.batch_norm_backward\n" in told
    said = {name: (inspect.getdoc(cls) or "").partition("see _")[2] for name, cls in layers.items()}
    assert {name for name, rest in said.items() if rest} == {name for name, cls in layers.items() if of_base(cls)} != set()
    assert "Derivation, arguments" not in of_class(layers["Linear"], LIBRARIES[0])


def test_the_course_of_a_schedule_is_what_torch_does() -> None:
    import experiments.cases.optim.lr_scheduler  # noqa: F401

    for name in {case.name for case in SCHEDULE_CASES}:
        case = next(c for c in SCHEDULE_CASES if c.name == name)
        side, lrs = Scheduled(torch.optim, case), []
        for step in range(STEPS):
            lrs.append(side.optimizer.param_groups[0]["lr"])
            side.move(*([max(10.0 - step, 0.0)] if case.metric else []))
        assert moved(case) == pytest.approx(lrs, rel=1e-12), name
    assert call_of(next(c for c in SCHEDULE_CASES if c.name == "StepLR")) == "StepLR(optimizer, step_size=4, gamma=0.7)"
    assert "0.1 at the first, 0.00404 at the last" in course_of("StepLR")
    assert course_of("LRScheduler") == ""


def test_in_a_wrong_line_the_mistake_is_marked() -> None:
    assert marked("y = a * x", "y = b * x") == "y = <mark>b</mark> * x"
    assert marked("y = a", "y = 2 * a") == "y = <mark>2 * </mark>a"
    assert marked("y = -a < b", "y = a < b") == "y = <del>-</del>a &lt; b"


def test_long_text_of_torch_is_folded_and_what_torch_has_not_is_said() -> None:
    short, long = Piece("a.py, line 1", "x = 1\n"), Piece("b.py, line 2", "y = 2\n" * (MANY + 1))
    assert "<details>" not in side_by_side(short, short)
    assert f"<details><summary>{MANY + 1} lines</summary>" in side_by_side(short, long)
    assert "'sides alone'" in side_by_side(short, long)
    assert "'sides'" in side_by_side(short, short)
    assert AUTOGRAD in side_by_side(short, None)
    assert NOTHING in side_by_side(short, None, NOTHING)


def bezier(points: list[float], t: float) -> float:
    """Where a cubic curve is at t."""
    return sum(n * (1 - t) ** (3 - i) * t**i * p for i, (n, p) in enumerate(zip((1, 3, 3, 1), points, strict=True)))


@pytest.mark.parametrize("columns", [COLUMNS, NARROW])
def test_the_map_leads_to_every_concept_and_shows_all_that_it_needs(columns: int) -> None:
    drawn = ElementTree.fromstring(map_of(entries(), "concepts", columns))
    lines = {g.find("a").get("href"): len(g.findall("path")) for g in drawn.iter("g")}  # type: ignore[union-attr]
    assert lines == {f"concepts/{e.name}.html": len(e.needs) for e in entries()}
    left = float(drawn.attrib["viewBox"].split()[0])
    for curve in drawn.iter("path"):
        xs = [float(x) for x in curve.attrib["d"].replace("M", " ").replace("C", " ").split()[::2]]
        assert min(bezier(xs, t) for t in np.linspace(0, 1, 101)) >= left
    some = [entry(name) for name in ("hidden_layer", "digits_mlp")]
    assert map_of(some, "concepts").count("<path") == 1


def test_every_concept_of_the_course_is_there_and_the_path_is_whole() -> None:
    names = [name for _, names in WEEKS for name in names]
    assert names[: len(PATH)] == list(PATH)
    assert all(entry(name) for name in names)
    assert len(WEEKS) == 10


def test_a_section_of_the_readme_is_a_page() -> None:
    html = readme("How the two are judged")
    assert "<p>" in html
    assert "<details" not in html
    assert 'href="experiments' not in html


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no_such",), "unknown concept 'no_such'"),
        (("one_weight", "LayerNorm"), "LayerNorm is no concept: its page comes with the whole book"),
        (("Adam",), "Adam is no concept: its page comes with the whole book"),
        (("one_weight", "--nothing"), "unrecognized arguments"),
    ],
)
def test_wrong_use_is_told_in_a_line(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = command("book", *arguments)
    assert status == 2
    assert said in err
    assert err.count("\n") == 1


def test_without_sphinx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "sphinx" else real(name, *more))
    status, _, err = command("book", "one_weight")
    assert status == 2
    assert "pip install -e '.[book]'" in err
    assert experiments.book.__doc__
