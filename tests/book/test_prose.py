"""Lessons as pages: terms are linked where they are used first, sections of docstrings are lists."""

from __future__ import annotations

from experiments.book.prose import anchor, lesson, linked, sections
from experiments.glossary import TERMS, Term

LOSS = next(t for t in TERMS if t.term == "loss")
WEIGHT = next(t for t in TERMS if t.term == "weight")


def test_a_term_is_linked_once_and_never_within_a_heading_or_a_link() -> None:
    html = lesson("# The loss\n\n[a loss](x.html): the loss is a loss.", [LOSS], "../glossary.html")
    assert html.count(f'href="../glossary.html#{anchor(LOSS)}"') == 1
    assert "<h1>The loss</h1>" in html
    assert '<a href="x.html">a loss</a>: the <a class="term"' in html


def test_a_term_is_found_beside_what_is_marked_up() -> None:
    html = lesson("*x*loss, loss*y* and **loss**.", [LOSS], "g")
    assert html.count('class="term"') == 1
    assert '</em><a class="term"' in html
    assert "term" not in lesson("lossless", [LOSS], "g")


def test_what_is_no_markup_stays_what_it_is() -> None:
    assert linked('0 < w & "x"', [], "g") == "0 &lt; w &amp; &quot;x&quot;"
    assert "&lt;" in lesson("`a < b` and a < b", [WEIGHT], "g")


def test_a_name_of_the_code_is_no_word_but_a_block_of_it_is_read() -> None:
    assert "term" not in lesson("`loss`", [LOSS], "g")
    assert 'class="term"' in lesson("Text.\n\n    L = the loss\n", [LOSS], "g")


def test_a_new_term_in_a_block_is_stressed() -> None:
    assert "the <em>adjacency matrix</em>;" in lesson("So:\n\n    A    the *adjacency matrix*; a * b * c\n", [], "g")


def test_a_header_without_words_is_none() -> None:
    assert "<th></th>" not in lesson("| | a |\n| --- | --- |\n| b | c |\n", [], "g")


def test_the_longest_of_those_that_begin_at_one_place_is_linked() -> None:
    short, long = (Term(t, t, "", "", "one_weight") for t in ("learning", "learning rate"))
    found = linked("the learning rate", [TERMS[0]._replace(term="zzz"), TERMS[0]], "g")
    assert found == "the learning rate"
    assert (short.is_in("the learning rate"), long.is_in("the learning rate")) == (True, True)


def test_arguments_are_a_list() -> None:
    text = "What it is.\n\nArgs:\n    lr: the step size, which is\n        small.\n    rng: draws.\n\nShapes: x (N, D).\n\nAfter."
    assert sections(text).split("\n") == [
        *("What it is.", "", "", "**Args.** ", ""),
        *("- `lr`: the step size, which is", "      small.", "- `rng`: draws.", ""),
        *("", "**Shapes.** x (N, D).", "", "After."),
    ]


def test_a_section_that_goes_on_in_the_next_line_is_one_paragraph() -> None:
    assert sections("Shapes: x (N, C),\n    weight (C,).\n\nMore.") == "\n**Shapes.** x (N, C),\n    weight (C,).\n\nMore."


def test_a_part_of_a_longer_name_is_no_use_of_a_term() -> None:
    term = next(t for t in TERMS if t.term == "feature")
    assert linked("±1/√in_features", [term], "g") == "±1/√in_features"
    assert linked("in_features, and features2: features", [term], "g").startswith("in_features, and features2: <a class")
    transpose = next(t for t in TERMS if t.term == "ᵀ")
    assert linked("x Wᵀ", [transpose], "g").endswith(">ᵀ</a>")
