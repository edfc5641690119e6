"""The pages, as reStructuredText: headings for Sphinx, and what stands below them as HTML."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import SequenceMatcher
from functools import cache
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import Any

from jinja2 import Environment, StrictUndefined

from experiments.book.drawn import COLUMNS, NARROW, map_of
from experiments.book.lines import ways
from experiments.book.prose import anchor, lesson, mended
from experiments.book.sides import line_by_line
from experiments.commands.album import Picture, as_file_name
from experiments.commands.markup import lesson_of, rendered
from experiments.commands.report import versions
from experiments.curriculum import PATH, ROOT, Entry, after, entry, minutes, path
from experiments.glossary import TERMS

GLOSSARY = "../glossary.html"


@cache
def template(name: str) -> Any:
    """One of those beside this file, which is compiled once for all pages."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((files(__package__) / "templates" / name).read_text(encoding="utf-8"))


def plain(text: str) -> str:
    """Text of which nothing is taken for markup."""
    return re.sub(r"([*`|_\\])", r"\\\1", text)


def heading(text: str, sign: str = "=") -> str:
    """One of reStructuredText."""
    return f"{plain(text)}\n{sign * (2 * len(text) + 4)}\n"


def html(text: str) -> str:
    """A block of HTML."""
    return ".. raw:: html\n\n" + "\n".join(f"   {line}".rstrip() for line in text.split("\n")) + "\n"


def page(title: str, *sections: tuple[str, str], label: str = "") -> str:
    """A page: its title, and sections with a heading each; without one where that is empty."""
    parts = [f".. _{label}:\n" if label else "", heading(title, "#")]
    for name, body in sections:
        parts += [heading(name), body] if name else [body]
    return "\n".join(parts)


# ---- a concept ---------------------------------------------------------------------------------------


def concept(
    e: Entry,
    told: Mapping[str, Any],
    shown: Sequence[Picture],
    of_questions: Sequence[Picture],
    moving: Sequence[Mapping[str, Any]],
    figures: str,
    there: Collection[str],
) -> str:
    """The page of a concept.

    Args:
        e: it.
        told: what was measured.
        shown: its figures.
        of_questions: those that show the answers.
        moving: what a reader moves.
        figures: the folder that they are in, from the root of the book.
        there: the names of all concepts that have a page.
    """
    from experiments import twin as twin_called

    twin = twin_called(e.name)
    known = {*path(e.name)}
    terms = [t for t in TERMS if t.concept in known]
    both = {side: (ROOT / side / e.path).read_text(encoding="utf-8") for side in ("manual", "torch_impl")}
    further = {*twin.further}
    before = PATH[PATH.index(e.name) - 1] if e.name in PATH[1:] else None
    given: dict[str, Any] = {
        "e": e,
        "minutes": minutes(e),
        "needs": [entry(n) for n in e.needs],
        "told": told,
        "shorter": twin.shorter.options(),
        "look_at": twin.look_at,
        "looked_at": next((p for p in reversed(shown) if twin.look_at and p.name == as_file_name(twin.look_at[0])), None),
        "figure_id": figure_id,
        "pictures": [p for p in shown if p.name not in further],
        "further_pictures": [p for p in shown if p.name in further],
        "further_texts": [(name, mended(rendered(text))) for name, text in twin.text.items() if name in twin.further],
        "of_questions": of_questions,
        "moving": moving,
        "figures": figures,
        "exercises": [exercise.function for exercise in twin.exercises],
        "there": there,
        "before": entry(before) if before in there and before else None,
        "next": entry(n) if (n := after(e.name)) and n in there else None,
        "on_path": e.name in PATH,
        "words": [(t, anchor(t)) for t in TERMS if t.concept == e.name],
    }
    names = ("facts", "figures", "interactive", "predict", "write", "mistake", "further", "ends")
    made = {name: template(f"{name}.html").render(**given) for name in names}
    parts = [("", html(made["facts"])), ("The lesson", html(lesson(without_title(lesson_of(twin.manual), e), terms, GLOSSARY)))]
    texts = [(name, html(lesson(text, terms, GLOSSARY))) for name, text in twin.text.items() if name not in further]
    found = ways(first_part(both["manual"]), first_part(both["torch_impl"]))
    if found:
        parts.append(
            ("Line by line", html(template("ways.html").render(ways=[(w, line_by_line(w, told["shapes"])) for w in found], file=e.path)))
        )
    parts += texts
    if given["pictures"]:
        parts.append(("What a run shows", html(made["figures"])))
    if moving:
        parts.append(("Move it yourself", html(made["interactive"])))
    if told["questions"]:
        parts.append(("Predict", html(made["predict"])))
    if twin.exercises:
        parts.append(("Write it yourself", html(made["write"])))
    if told["mistake"]:
        parts.append(("A common mistake", html(made["mistake"])))
    if given["further_pictures"] or given["further_texts"]:
        parts.append(("Further reading", html(made["further"])))
    files_of = f".. twin:: {module('manual', e)} {module('torch_impl', e)}\n"
    parts += [("Both files", files_of), ("", html(made["ends"]))]
    return page(e.title, *parts, label=e.name)


def figure_id(p: Picture) -> str:
    """Where it stands on its page."""
    return f"figure-{'before-' if p.untrained else ''}{p.name.replace(' ', '-')}"


def without_title(text: str, e: Entry) -> str:
    """A lesson without its first line, where that only says the title again."""
    first, _, rest = text.partition("\n")
    return rest.lstrip() if re.sub(r",? by hand\.$", "", first, flags=re.IGNORECASE) == e.title else text


def module(side: str, e: Entry) -> str:
    """Its dotted name."""
    return f"{side}.{e.chapter}.{e.name}"


def first_part(text: str) -> str:
    """A file without its further reading."""
    return text.partition("\n# ---- further reading")[0]


# ---- all of them -------------------------------------------------------------------------------------


def index(made: Sequence[Entry]) -> str:
    """The first page: what this is, the path, and every chapter."""
    lines = [heading("gradtwin: how neural networks learn", "#")]
    lines.append(html(template("index.html").render(path=[(entry(n), minutes(entry(n))) for n in PATH if entry(n) in made])))
    names = [
        "concepts/index",
        "map",
        "layers/index",
        "optimizers/index",
        "schedules/index",
        "glossary",
        "judged",
        "mistakes",
        "speed",
        "teachers",
    ]
    return "\n".join([*lines, ".. toctree::\n   :hidden:\n", *(f"   {name}" for name in names), ""])


def curriculum(made: Sequence[Entry]) -> str:
    """All concepts, by chapter."""
    lines = [heading("The curriculum", "#")]
    for chapter, of in groupby(made, key=lambda e: e.chapter):
        lines += [f".. toctree::\n   :caption: {in_words(chapter)}\n   :maxdepth: 1\n", *(f"   {e.name}" for e in of), ""]
    return "\n".join(lines)


def in_words(chapter: str) -> str:
    """Linear algebra, of linear_algebra."""
    return chapter.replace("_", " ").capitalize()


def glossary(made: Sequence[Entry]) -> str:
    """Every symbol and every term."""
    there = {e.name for e in made}
    groups = [(entry(name), [(t, anchor(t)) for t in of]) for name, of in groupby(TERMS, key=lambda t: t.concept)]
    return page("Glossary", ("", html(template("glossary.html").render(groups=groups, there=there))))


def the_map(made: Sequence[Entry]) -> str:
    """The curriculum as a map."""
    drawn = [map_of(made, "concepts", columns) for columns in (COLUMNS, NARROW)]
    return page("What needs what", ("", html(template("map.html").render(drawn=drawn))))


# ---- about all of them -----------------------------------------------------------------------------------


def readme(title: str) -> str:
    """A section of the README as HTML, without its links to files, which are no pages."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    section = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", re.sub(r"</?details>|<summary>.*?</summary>|<!--.*?-->", "", section))
    return lesson(section, TERMS, "glossary.html")


def judged(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """How the two sides are compared, and what was found of each concept.

    Args:
        measured: by the name of a concept.
    """
    rows = [(entry(name), told["row"], told["agree"]) for name, told in measured.items()]
    table = template("judged.html").render(rows=rows, versions=versions())
    return page("How the two are judged", ("", html(readme("How the two are judged"))), ("What was found", html(table)))


def mistakes(told: Mapping[str, Any]) -> str:
    """Mistakes that were made in the hand-written code, and what noticed each."""
    rows = [{**row, "after": marked(row["before"], row["after"])} for row in told["rows"]]
    return page("Mistakes that must be noticed", ("", html(template("mistakes.html").render(rows=rows, sample=told["sample"]))))


def marked(before: str, after: str) -> str:
    """A changed line as HTML, with what is new in it marked; what is only gone is struck out."""
    old, new = (re.findall(r"\w+|\s+|[^\w\s]", text) for text in (before, after))
    out = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        part = escape("".join(new[k:m]))
        gone = f"<del>{escape(''.join(old[i:j]))}</del>" if tag == "delete" else ""
        out.append(part if tag == "equal" else gone or f"<mark>{part}</mark>")
    return "".join(out)


def speed(told: Mapping[str, Any]) -> str:
    """How long a step takes by hand, against torch."""
    return page("How fast it is", ("", html(template("speed.html").render(**told, versions=versions()))))


WEEKS: Sequence[tuple[str, Sequence[str]]] = (
    ("One number learns", PATH[:2]),
    ("Many numbers at once", PATH[2:5]),
    ("Yes or no, and the slope of everything", PATH[5:8]),
    ("The way back, and who writes it", PATH[8:10]),
    ("A hidden layer", PATH[10:11]),
    ("Digits, and a published mistake", PATH[11:]),
    ("What goes wrong, and what helps", ("overfitting", "dropout", "normalization")),
    ("Pictures", ("convolution", "digits_cnn", "residual")),
    ("Text", ("bigrams", "attention", "transformer")),
    ("A GPT, or what you like best", ("gpt", "vae", "policy_gradient", "gcn")),
)
"""A course: a title for each week, and what is read in it."""


def teachers(made: Sequence[Entry]) -> str:
    """Ten weeks, what to hand out, and how it is graded."""
    there = {e.name for e in made}
    weeks = [(title, [(entry(name), minutes(entry(name)), name in there) for name in names]) for title, names in WEEKS]
    return page("For teachers", ("", html(template("teachers.html").render(weeks=weeks))))
