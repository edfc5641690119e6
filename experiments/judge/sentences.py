"""Everything that can be said of a wrong gradient beside the right one, where the values behind it are known: the plainest first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from experiments.judge import operands
from experiments.judge.diagnose import diagnose, like, multiple
from experiments.judge.operands import Values

RIGHT = "the right one"


def sentences(
    a: np.ndarray,
    b: np.ndarray,
    values: Values,
    gradients: Values,
    sizes: Mapping[str, float],
    line: str = "",
    structural: Iterable[str] = (),
) -> Iterator[str]:
    """Halves of sentences about a, which ought to be b: "2 times the right one".

    Args:
        a, b: the wrong one and the right one.
        values: of the forward, by name.
        gradients: the others, by name.
        sizes: names of sizes that may have become a factor.
        line: the text of the line that computes it.
        structural: what else may be said of it, by how the values hang together; it comes after the sums.
    """
    plain = diagnose(a, b, None, sizes)
    if plain and not re.match(r"right in|0 in places|of shape", plain):
        yield plain.replace("torch's", RIGHT)
    c = multiple(a, b) if a.shape == b.shape else None
    if c is not None:
        yield f"{c:.6g} times {RIGHT}"  # 1/3 has a name where a size is 9 by chance, and on the next input none
        yield from (f"{number} times {RIGHT}" for number in operands.numbers(c, values))
    yield from operands.sums(a, b, gradients)
    yield from operands.masks(a, b, values, gradients)
    yield from structural
    yield from operands.factors(a, b, values, line)
    yield from (
        f"a copy of {'the ' * label.startswith('gradient')}{label}" for label, g in gradients.items() if g.shape == a.shape and like(a, g)
    )
    yield from operands.products(a, b, values, gradients)
    yield from operands.added(a, b, values)
    if c is not None and b.size > 1:
        yield f"the same multiple of {RIGHT} in every entry: some number is missing as a factor, or is one too many"
    if plain:
        yield plain.replace("torch's", RIGHT)


def agreed(found: Iterable[Iterable[str]]) -> str | None:
    """The first sentence that holds on every input, whatever the sizes in it; None if none does. No more is asked for than that takes."""
    first, *others = (iter(said) for said in found)
    heard = [(other, set[str]()) for other in others]

    def holds(key: str, other: Iterator[str], keys: set[str]) -> bool:
        while key not in keys:
            said = next(other, None)
            if said is None:
                return False
            keys.add(without_sizes(said))
        return True

    return next((said for said in first if all(holds(without_sizes(said), *of) for of in heard)), None)


def without_sizes(sentence: str) -> str:
    """The sentence without numbers that depend on the sizes of the input, to be compared with that of another input."""
    sentence = re.sub(r"(?<=rows|umns) \(.*?\)", "", sentence)  # which of them are named only where they are few
    return re.sub(r"= [\d.]+|(?<=\()\d+[^)]*|\d+ of \d+|\d*\.\d+(e-?\d+)?(?!\d| times)|(?<=first )\d+|\(\d[\d, ]*\)", "#", sentence)
