"""Lessons as HTML, with a link from each symbol and each term, where a page uses it first, to the glossary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from html import escape, unescape

from experiments.commands.markup import rendered
from experiments.glossary import TERMS, Term


def anchor(term: Term) -> str:
    """Where the glossary explains it."""
    return f"term-{TERMS.index(term)}"


SECTION = re.compile(r"(Args|Attributes|Shapes?|Returns|Raises|Shape):[ ]*(.*)")
"""How a section of a docstring begins."""


def sections(text: str) -> str:
    """A docstring whose sections are lists: Args, Shapes, Returns, Raises."""
    out: list[str] = []
    within = False
    for line in text.split("\n"):
        if m := SECTION.fullmatch(line):
            within = not m[2]
            out.append(f"\n**{m[1]}.** {m[2]}" + "\n" * within)
        elif within and (m := re.fullmatch(r" {4}(\S.*?): +(.*)", line)):
            out.append(f"- `{m[1]}`: {m[2]}")
        elif within and line.startswith("    "):
            out.append(line[2:])
        else:
            within = within and not line
            out.append(line)
    return "\n".join(out)


def lesson(text: str, terms: Sequence[Term], glossary: str) -> str:
    """A docstring as HTML.

    Args:
        text: Markdown.
        terms: those that may be linked.
        glossary: the address of the glossary, from this page.
    """
    parts = re.split(r"(<[^>]+>)", mended(rendered(text)))
    read = unescape("\n".join(part for part in parts if not part.startswith("<")))
    left = [t for t in terms if matched(t, read, 0)]  # the others need not be looked for in every part
    out: list[str] = []
    depth, block = 0, False  # within a heading, a link, or a name of the code nothing is linked
    for part in parts:
        if part.startswith("<"):
            block = block ^ bool(re.match(r"</?pre\b", part))
            if re.match(r"<(a|h\d)\b" if block else r"<(a|h\d|code)\b", part):
                depth += 1
            elif re.match(r"</(a|h\d)>" if block else r"</(a|h\d|code)>", part):
                depth -= 1
            out.append(part)
        else:
            out.append(part if depth else linked(unescape(part), left, glossary))
    return "".join(out)


def mended(html: str) -> str:
    """HTML with *words* within a block of code stressed as elsewhere, for a new term may be met in a formula; and without empty headers."""
    words = re.compile(r"(?<!\S)\*([A-Za-z][A-Za-z -]*[A-Za-z])\*(?=[\s,;.:)]|$)", re.MULTILINE)
    parts = re.split(r"(<pre>.*?</pre>)", html, flags=re.DOTALL)
    html = "".join(words.sub(r"<em>\1</em>", part) if part.startswith("<pre>") else part for part in parts)
    return html.replace("<th></th>", "<td></td>")  # the corner of a table heads nothing


def linked(text: str, left: list[Term], glossary: str) -> str:
    """Text as HTML, with the terms that it uses linked; those are taken off the list."""
    out, at = [], 0
    while True:
        found = [(m.start(), -len(m[0]), t, m) for t in left if (m := matched(t, text, at))]
        if not found:
            break
        _, _, term, m = min(found, key=lambda f: f[:2])
        left.remove(term)
        meaning = escape(f"{term.said}: {term.meaning}", quote=True)
        out += [escape(text[at : m.start()]), f'<a class="term" href="{glossary}#{anchor(term)}" title="{meaning}">{escape(m[0])}</a>']
        at = m.end()
    return "".join([*out, escape(text[at:])])


def matched(term: Term, text: str, at: int) -> re.Match[str] | None:
    """Where a text uses it first, from a place on: not within a longer name, as `features` is in in_features."""
    return next((m for m in pattern_of(term).finditer(text, at) if m[0].strip() and not WITHIN.search(around(text, m))), None)


WITHIN = re.compile(r"^\w\w|\w\w$", re.ASCII)
"""Of the letters around the ends of what was found: a word goes on there. Signs such as ᵀ stand where they like."""


def around(text: str, m: re.Match[str]) -> str:
    """The first and the last sign of a match, each with its neighbour; a blank where there is none."""
    before, behind = text[m.start() - 1 : m.start()] or " ", text[m.end() : m.end() + 1] or " "
    return f"{before}{m[0][0]} {m[0][-1]}{behind}"


@cache
def pattern_of(term: Term) -> re.Pattern[str]:
    """What is looked for."""
    return re.compile(term.pattern or rf"(?<!\w){re.escape(term.term)}(?!\w)")
