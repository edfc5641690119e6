"""One function that computes a loss and its gradients is cut in two, and examined as a pair."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited

CHARACTERS = """import numpy as np
vocab_size, hidden_size = 6, 5
Wxh = np.random.randn(hidden_size, vocab_size) * 0.01
Whh = np.random.randn(hidden_size, hidden_size) * 0.01
Why = np.random.randn(vocab_size, hidden_size) * 0.01
def lossFun(inputs, targets, hprev):
    xs, hs, ps = {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]))
        e = np.exp(np.dot(Why, hs[t]))
        ps[t] = e / np.sum(e)
        loss += -np.log(ps[t][targets[t], 0])
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += np.dot(dy, hs[t].T)
        dh = np.dot(Why.T, dy) + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t - 1].T)
        dhnext = np.dot(Whh.T, dhraw)
    for dparam in [dWxh, dWhh, dWhy]:
        np.clip(dparam, -1, 1, out=dparam)
    return loss, dWxh, dWhh, dWhy, hs[len(inputs) - 1]
"""

METHOD = """import numpy as np
class Net:
    def __init__(self, input_size, output_size):
        self.params = {'W': 1e-4 * np.random.randn(input_size, output_size), 'b': np.zeros(output_size)}
    def loss(self, X, y=None, reg=0.0):
        W, b = self.params['W'], self.params['b']
        N = len(X)
        scores = X.dot(W) + b
        if y is None:
            return scores
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        probs = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(probs[range(N), y]).sum() / N + reg * np.sum(W * W)
        grads = {}
        dscores = probs
        dscores[range(N), y] -= 1
        dscores /= N
        grads['W'] = X.T.dot(dscores) + 2 * reg * W
        grads['b'] = dscores.sum(axis=0)
        return loss, grads
"""

FILES = {"characters": CHARACTERS, "method": METHOD}


@pytest.mark.parametrize(("name", "values"), [("characters", {"Wxh", "Whh", "Why"}), ("method", {"self.params['W']", "self.params['b']"})])
def test_both_in_one_are_examined(name: str, values: set[str]) -> None:
    (finding,) = visited(FILES[name])
    assert finding.right, str(finding)
    assert {g.value for g in finding.gradients} == values


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("method", "+ 2 * reg * W", "+ reg * W"),
        ("method", "dscores.sum(axis=0)", "dscores.mean(axis=0)"),
    ],
)
def test_the_line_of_a_fault_is_named(name: str, right: str, wrong: str) -> None:
    line = FILES[name][: FILES[name].index(right)].count("\n") + 1
    (finding,) = visited(FILES[name].replace(right, wrong))
    assert [f.line for f in finding.faults] == [line]


def test_a_loss_without_a_name_is_known_by_what_is_returned_beside_it() -> None:
    source = """import numpy as np
def ridge_cost(w, X, y):
    residual = X @ w - y
    grad = X.T @ residual + w
    return 0.5 * residual @ residual + 0.5 * w @ w, grad
"""
    named = source.replace("grad", "dw")
    (right,) = visited(named)
    assert right.right, str(right)
    assert [g.value for g in right.gradients] == ["w"]
    (wrong,) = visited(named.replace("residual + w\n", "residual + 2 * w\n"))
    assert [f.line for f in wrong.faults] == [4]
