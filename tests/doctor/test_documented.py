"""Shapes that a docstring writes are the first that are tried."""

from __future__ import annotations

import ast

import pytest

from experiments.doctor.numbers.sizes import documented
from experiments.doctor.visit import visited

SAMPLING = '''
import numpy as np

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def neg_sampling_loss_and_gradient(v_c, u_o, U_neg):
    """v_c: (d,), u_o: (d,), U_neg: (K, d)"""
    pos = sigmoid(u_o @ v_c)
    neg = sigmoid(-U_neg @ v_c)
    loss = -np.log(pos) - np.sum(np.log(neg))
    grad_v_c = -(1 - pos) * u_o + (1 - neg) @ U_neg
    grad_u_o = -(1 - pos) * v_c
    grad_U_neg = np.outer(1 - neg, v_c)
    return loss, grad_v_c, grad_u_o, grad_U_neg
'''


def function(doc: str) -> ast.FunctionDef:
    (found,) = ast.parse(f'def f(x, w, n):\n    """{doc}"""').body
    assert isinstance(found, ast.FunctionDef)
    return found


@pytest.mark.parametrize(
    ("doc", "sizes"),
    [
        ("x: (N, D), w: (D,)", {"x": ["N", "D"], "w": ["D"]}),
        ("- x: A numpy array of images, of shape (N, D)\n    - w: weights of shape [D, 10]", {"x": ["N", "D"], "w": ["D", "10"]}),
        ("x (float, optional): a number. The w of (2) is meant, w(x) too.", {}),
        ("max: (N, D). n (see above)", {}),
    ],
)
def test_the_sizes_of_a_docstring_are_read_where_they_are_sizes(doc: str, sizes: dict[str, list[str]]) -> None:
    assert documented([function(doc)], ["x", "w", "n"]) == sizes


def test_a_loss_of_vectors_is_given_vectors() -> None:
    (finding,) = visited(SAMPLING)
    assert finding.right, finding
    assert {g.value: g.shape for g in finding.gradients} == {"v_c": (5,), "u_o": (5,), "U_neg": (3, 5)}


def test_what_is_wrong_with_such_shapes_is_found() -> None:
    (finding,) = visited(SAMPLING.replace("np.outer(1 - neg, v_c)", "np.outer(neg, v_c)"))
    assert [f.text for f in finding.faults] == ["grad_U_neg = np.outer(neg, v_c)"]
    assert finding.faults[0].mend
