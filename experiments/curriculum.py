"""The order in which the concepts are taught, by chapter. Adding a concept is one file in each of five trees, and one line here."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

CHAPTERS: dict[str, list[str]] = {
    "linear_algebra": [
        "vectors",
        "matrices",
        "eigen",
        "svd",
        "pca",
    ],
    "calculus": [
        "derivatives",
        "one_weight",
        "gradients",
        "chain_rule",
        "autograd",
        "optimizers",
        "annealing",
    ],
    "probability": [
        "likelihood",
        "distributions",
        "multivariate_normal",
        "expectation",
        "bayes",
        "information",
    ],
    "numerics": [
        "rounding",
        "summation",
        "mixed_precision",
        "softmax",
        "conditioning",
    ],
    "regression": [
        "linear_regression",
        "ridge",
        "lasso",
        "perceptron",
        "logistic_regression",
        "softmax_regression",
    ],
    "networks": [
        "training_loop",
        "hidden_layer",
        "wine_quality",
        "digits_mlp",
        "minibatches",
        "overfitting",
        "dropout",
        "activations",
        "initialization",
        "normalization",
        "convolution",
        "digits_cnn",
        "residual",
        "transfer",
        "calibration",
        "double_descent",
    ],
    "sequences": [
        "bigrams",
        "word_vectors",
        "rnn",
        "lstm",
        "gru",
        "attention",
        "seq2seq",
        "positions",
        "multihead_attention",
        "transformer",
        "tokens",
        "gpt",
        "kv_cache",
        "sampling",
        "lora",
    ],
    "unsupervised": [
        "ways_of_learning",
        "k_means",
        "mixture",
        "autoencoder",
        "contrastive",
        "distillation",
    ],
    "generative": [
        "vae",
        "gan",
        "flow",
        "diffusion",
        "energy",
    ],
    "reinforcement": [
        "bandit",
        "value_iteration",
        "td_learning",
        "policy_gradient",
        "actor_critic",
        "dqn",
        "ppo",
    ],
    "graphs": [
        "gcn",
        "gat",
        "message_passing",
    ],
    "scale": [
        "accumulation",
        "recomputation",
        "data_parallel",
        "tensor_parallel",
        "on_a_gpu",
    ],
}

PATH = (
    *("one_weight", "derivatives", "vectors", "matrices", "linear_regression", "logistic_regression"),
    *("gradients", "chain_rule", "autograd", "training_loop", "hidden_layer", "digits_mlp", "wine_quality"),
)
"""The beginner's path. What a concept needs stands before it; where that leaves a choice, the easier comes first."""


class Entry(NamedTuple):
    """One line of the curriculum."""

    name: str
    chapter: str
    title: str  # the first line of the script's docstring
    needs: tuple[str, ...]  # the concepts to read before

    @property
    def path(self) -> str:
        """Its file, from the folder of each tree."""
        return f"{self.chapter}/{self.name}.py"


class UnknownConcept(LookupError):
    """There is no concept of that name; the message names the nearest."""


@cache
def entries() -> tuple[Entry, ...]:
    """All concepts in teaching order. Everything is read from the scripts without importing them."""
    return tuple(read(chapter, name) for chapter, names in CHAPTERS.items() for name in names)


def read(chapter: str, name: str) -> Entry:
    """What experiments/<chapter>/<name>.py says of itself: its docstring, and what its Twin `needs`."""
    tree = ast.parse((ROOT / "experiments" / chapter / f"{name}.py").read_text(encoding="utf-8"))
    title = (ast.get_docstring(tree) or "").partition("\n")[0]
    needs = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "needs"]
    return Entry(name, chapter, title.rstrip("."), ast.literal_eval(needs[0]) if needs else ())


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
    hint = f"did you mean {' or '.join(near)}?" if near else "see `list`"
    raise UnknownConcept(f"unknown concept {name!r}: {hint}")


def path(name: str) -> list[str]:
    """What to read first, this concept last: all that it needs, directly or not; those of the path in its order.

    Raises:
        UnknownConcept: if there is no such concept.
    """
    names: list[str] = []
    for need in entry(name).needs:
        names += [n for n in path(need) if n not in names]
    return [*sorted(names, key=place), entry(name).name]


def place(name: str) -> int:
    """Where on the beginner's path a concept stands; after its end for all that are not on it."""
    return PATH.index(name) if name in PATH else len(PATH)


def after(name: str) -> str | None:
    """What to read next: the next on the beginner's path, or the first in teaching order that needs this one; None if nothing does."""
    if name in PATH[:-1]:
        return PATH[PATH.index(name) + 1]
    return next((e.name for e in entries() if name in e.needs and e.name not in PATH), None)


WORDS_A_MINUTE = 100
"""How many words are read in a minute: slowly, for they are half code and half mathematics."""

FURTHER_READING = "\n# ---- further reading"
"""How the heading begins under which a file has what a beginner need not read: its rest, in a script up to the next heading."""

TO_MOVE = "\n# ---- to move"
"""How the heading begins under which a script has the pictures that a reader of the book moves."""

HEADING = "\n# ---- "

SAID = 8
"""A string of a script with at least as many words is there to be read: a caption, a text, a question. Shorter ones are names."""


def minutes(e: Entry) -> int:
    """How long it takes to read a concept, by its words: in fives, rounded up.

    Its two files count, and of the script the captions, texts and questions; all without what is further reading. What is done takes as
    long as one likes, and counts as little: an exercise, a picture that is moved.
    """
    texts = [(ROOT / side / e.path).read_text(encoding="utf-8").partition(FURTHER_READING)[0] for side in ("manual", "torch_impl")]
    script = without_further_reading((ROOT / "experiments" / e.path).read_text(encoding="utf-8"))
    return -(-sum(len(text.split()) for text in (*texts, *said(script))) // (5 * WORDS_A_MINUTE)) * 5


def without_further_reading(script: str) -> str:
    """A script without its sections of that name, and without what is moved."""
    for heading in (FURTHER_READING, TO_MOVE):
        first, *more = script.split(heading)
        script = first + "".join("".join(section.partition(HEADING)[1:]) for section in more)
    return script


def said(script: str) -> Iterator[str]:
    """The strings in a script that a learner reads: not its docstrings, which are for who reads the code."""
    waiting: list[ast.AST] = [ast.parse(script)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        if isinstance(node, ast.Constant | ast.JoinedStr):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            text = "".join(part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "0" for part in parts)
            if len(text.split()) >= SAID:
                yield text
            continue
        waiting += ast.iter_child_nodes(node)


SIDES = {"by hand": "manual", "torch": "torch_impl", "script": "experiments"}


def markdown() -> Iterator[str]:
    """The README's list of all concepts, by chapter."""
    for chapter, of in groupby(entries(), key=lambda e: e.chapter):
        yield f"**{chapter.replace('_', ' ').capitalize()}**"
        yield ""
        for e in of:
            links = " · ".join(f"[{side}]({folder}/{e.path})" for side, folder in SIDES.items())
            yield f"- {e.title}: `{e.name}`. {links}"
        yield ""


def markdown_path(names: Iterable[str]) -> Iterator[str]:
    """These concepts, in the order in which they are to be read, as a table."""
    yield "| | read | minutes | needs |"
    yield "| --- | --- | --- | --- |"
    for i, e in enumerate(map(entry, names), 1):
        yield f"| {i} | [`{e.name}`](manual/{e.path}): {e.title} | {minutes(e)} | {', '.join(f'`{n}`' for n in e.needs)} |"
