"""Cases for the functions of manual/numerics/softmax.py: smooth rows, rows that leave the numbers, and rows that hold ±∞."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.central import along, jacobian
from experiments.judge.derivative_case import derivative_case
from experiments.judge.function_case import function_case
from manual.nn.functional import log_softmax
from manual.numerics.softmax import logsumexp_backward

PATH = "numerics.softmax"
ALONG_AN_AXIS = "softmax", "log_softmax", "logsumexp"

ODD = np.array(
    [[-np.inf, 1.3, 0.2], [-np.inf] * 3, [np.inf, 0.4, -1.0], [np.inf, 1000.0, -np.inf], [np.inf] * 3, [0.7] * 3, [np.nan, 0, 1]]
)
"""A masked class, nothing but masked ones, +∞ alone, beside a large and a masked score, +∞ everywhere, ties, and NaN."""

HUGE = np.array([[1000.0, 1.0, -3.0], [-1000.0, 0.5, 0.0], [-1000.0] * 3, [1000.0, 1000.0, 0.0]])
"""One power overflows; one underflows; all underflow; two overflow. The same in float32 and float64."""


def along_an_axis(name: str) -> None:
    """Cases of a function along an axis."""

    def last(rng: np.random.Generator, N: int, K: int) -> Built:
        return Built({}, [rng.normal(0, 1.5, (N, K))], call={"axis": -1})

    def middle(rng: np.random.Generator, N: int, K: int, D: int) -> Built:
        return Built({}, [rng.normal(0, 1.5, (N, K, D))], call={"axis": 1})

    def first(rng: np.random.Generator, K: int) -> Built:
        return Built({}, [rng.normal(0, 1.5, K)], call={"axis": 0})

    def one_class(rng: np.random.Generator, N: int) -> Built:
        return Built({}, [rng.normal(0, 1.5, (N, 1))], call={"axis": 1})

    def no_class(rng: np.random.Generator, N: int) -> Built:
        return Built({}, [np.zeros((N, 0))], call={"axis": 1})

    def huge(rng: np.random.Generator) -> Built:
        return Built({}, [HUGE], call={"axis": 1})

    def odd(rng: np.random.Generator) -> Built:
        return Built({}, [ODD], call={"axis": 1})

    function_case(PATH, name, empty=True)(last)
    function_case(PATH, name, empty=True)(middle)
    function_case(PATH, name, repeat=False)(first)
    function_case(PATH, name, smooth=False)(one_class)
    for build in (no_class, huge, odd):
        function_case(PATH, name, smooth=False, repeat=False, nonfinite="match")(build)


for _name in ALONG_AN_AXIS:
    along_an_axis(_name)
    along_an_axis(f"naive_{_name}")


def of_classes(name: str) -> None:
    """Cases of a loss of scores and right classes."""

    def scores(rng: np.random.Generator, N: int, K: int) -> Built:
        return Built({}, [rng.normal(0, 1.5, (N, K)), rng.integers(0, K, N)], differentiated=(0,))

    def huge_scores(rng: np.random.Generator) -> Built:
        return Built({}, [HUGE, np.array([0, 0, 1, 2])], differentiated=(0,))

    def masked(rng: np.random.Generator) -> Built:
        """The second row's right class is masked."""
        return Built({}, [np.array([[-np.inf, 1.3, 0.2], [-np.inf, 0.4, 2.0]]), np.array([1, 0])], differentiated=(0,))

    def odd_scores(rng: np.random.Generator) -> Built:
        return Built({}, [ODD, np.array([1, 0, 1, 0, 2, 1, 2])], differentiated=(0,))

    function_case(PATH, name)(scores)
    for build in (huge_scores, masked, odd_scores):
        function_case(PATH, name, smooth=False, repeat=False, nonfinite="match")(build)


for _name in ("cross_entropy", "naive_cross_entropy"):
    of_classes(_name)


def tempered(temperature: Any) -> Any:
    """Rows and a temperature, which is a number."""

    def rows(rng: np.random.Generator, N: int, K: int) -> Built:
        T = temperature if temperature is not None else rng.uniform(0.4, 2.5)
        return Built({}, [rng.normal(0, 1.5, (N, K)), np.array(T)], call={"axis": -1})

    rows.__name__ = f"at_{temperature}"
    return rows


function_case(PATH, "tempered_softmax", repeat=False)(tempered(None))
function_case(PATH, "tempered_softmax", repeat=False)(tempered(-0.8))
function_case(PATH, "tempered_softmax", smooth=False, repeat=False, nonfinite="match")(tempered(0.0))


@function_case(PATH, "tempered_softmax", repeat=False)
def along_the_middle(rng: np.random.Generator, N: int, K: int, D: int) -> Built:
    return Built({}, [rng.normal(0, 1.5, (N, K, D)), np.array(rng.uniform(0.4, 2.5))], call={"axis": 1})


@derivative_case(PATH, "log_softmax_jacobian", by_differences=lambda z: np.stack([jacobian(log_softmax, row) for row in z]))
def rows_of_scores(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(0, 1.5, (5, 3))]


@derivative_case(PATH, "log_softmax_jvp", by_differences=lambda z, dz: along(log_softmax, (z,), (dz,)))
def rows_and_a_direction(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(0, 1.5, (5, 3)), rng.normal(size=(5, 3))]


def slope_of_logsumexp(row: np.ndarray) -> np.ndarray:
    """∂y/∂z of one row."""
    return logsumexp_backward(np.ones(()), row, 0)


@derivative_case(PATH, "logsumexp_hessian", by_differences=lambda z: np.stack([jacobian(slope_of_logsumexp, row) for row in z]))
def rows_to_curve(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(0, 1.5, (5, 3))]
