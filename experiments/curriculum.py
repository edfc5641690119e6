"""The order in which the concepts are taught, by chapter. Adding a concept is three files and one line here."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

CHAPTERS: dict[str, list[str]] = {
    "linear_algebra": ["vectors", "matrices", "eigen", "svd"],
    "calculus": ["derivatives", "one_weight", "gradients", "chain_rule", "optimizers"],
    "probability": ["expectation", "likelihood", "distributions"],
    "numerics": ["floating_point", "softmax"],
    "regression": ["linear_regression", "ridge", "lasso", "perceptron", "logistic_regression", "softmax_regression"],
    "networks": ["hidden_layer", "wine_quality", "digits_mlp", "digits_cnn"],
    "sequences": ["attention"],
    "unsupervised": [],
    "generative": [],
    "reinforcement": [],
    "graphs": [],
    "scale": [],
}


class Entry(NamedTuple):
    """One line of the curriculum."""

    name: str
    chapter: str
    title: str  # the first line of the script's docstring


class UnknownConcept(LookupError):
    """There is no concept of that name; the message names the nearest."""


@cache
def entries() -> tuple[Entry, ...]:
    """All concepts in teaching order. Titles are read from the scripts without importing them."""
    return tuple(Entry(name, chapter, title(chapter, name)) for chapter, names in CHAPTERS.items() for name in names)


def title(chapter: str, name: str) -> str:
    """The first line of the docstring of experiments/<chapter>/<name>.py."""
    source = (Path(__file__).parent / chapter / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0].rstrip(".")


def entry(name: str) -> Entry:
    """The line of one concept, by its name or by chapter.name.

    Raises:
        UnknownConcept: with the nearest names.
    """
    for e in entries():
        if name in (e.name, f"{e.chapter}.{e.name}", f"{e.chapter}/{e.name}"):
            return e
    names = [e.name for e in entries()]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
    raise UnknownConcept(f"unknown concept {name!r}: {hint}")


def markdown() -> Iterator[str]:
    """The README's table."""
    yield "| concept | by hand | torch | script |"
    yield "| --- | --- | --- | --- |"
    for e in entries():
        path = f"{e.chapter}/{e.name}.py"
        links = (f"[{side}](" + f"{side}/{path})" for side in ("manual", "torch_impl", "experiments"))
        yield f"| `{e.name}`: {e.title} | {' | '.join(links)} |"
