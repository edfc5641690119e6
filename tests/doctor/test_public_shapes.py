"""The doctor reads code in the shapes in which it is published: results in attributes, weights that are changed, losses that are meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.doctor import doctor
from experiments.doctor.finding import Finding
from experiments.doctor.reading.patient import Unreadable
from experiments.doctor.visit import visited
from experiments.doctor.ward import ask
from tests.doctor.planted import changed_line

HEAD = "import numpy as np\n"

STORING = """
class Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)
"""

LOSSES = """
class SquaredError:
    def forward(self, y_pred, y_true):
        sample_losses = np.mean((y_true - y_pred) ** 2, axis=-1)
        return sample_losses

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        outputs = len(dvalues[0])
        self.dinputs = -2 * (y_true - dvalues) / outputs
        self.dinputs = self.dinputs / samples

class CrossEntropy:
    def forward(self, y_pred, y_true):
        clipped = np.clip(y_pred, 1e-7, 1 - 1e-7)
        sample_losses = -np.sum(y_true * np.log(clipped), axis=1)
        return sample_losses

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        self.dinputs = -y_true / dvalues / samples
"""

UPDATING = """
class Recurrent:
    def __init__(self, input_size, output_size, hidden_size=64):
        self.Wh = np.random.randn(hidden_size, hidden_size) / 10
        self.Wx = np.random.randn(hidden_size, input_size) / 10
        self.Wy = np.random.randn(output_size, hidden_size) / 10
        self.bh = np.zeros((hidden_size, 1))

    def forward(self, inputs):
        self.inputs = inputs
        h = np.zeros((self.Wh.shape[0], 1))
        self.hs = {-1: h}
        outs = []
        for i, x in enumerate(inputs):
            h = np.tanh(self.Wx @ x + self.Wh @ h + self.bh)
            self.hs[i] = h
            outs.append(self.Wy @ h)
        return outs, h

    def backprop(self, d_out, learn_rate=2e-2):
        n = len(self.inputs)
        d_Wh = np.zeros(self.Wh.shape)
        d_Wx = np.zeros(self.Wx.shape)
        d_bh = np.zeros(self.bh.shape)
        d_Wy = d_out @ self.hs[n - 1].T
        d_h = self.Wy.T @ d_out
        for t in reversed(range(n)):
            through = (1 - self.hs[t] ** 2) * d_h
            d_bh += through
            d_Wh += through @ self.hs[t - 1].T
            d_Wx += through @ self.inputs[t].T
            d_h = self.Wh.T @ through
        for d in [d_Wx, d_Wh, d_Wy, d_bh]:
            np.clip(d, -1, 1, out=d)
        self.Wh -= learn_rate * d_Wh
        self.Wx -= learn_rate * d_Wx
        self.Wy -= learn_rate * d_Wy
        self.bh -= learn_rate * d_bh
"""

BASED = """
from base import Layer, softmax_loss

class Scaled(Layer):
    def __init__(self, W):
        super().__init__("scaled")
        self.params = [W]
        self.grads = [np.zeros_like(W)]

    def forward(self, x, training=True):
        W, = self.params
        self.x = x
        return self.__double(x @ W)

    def __double(self, z):
        return 2 * z

    def backward(self, dout):
        W, = self.params
        dx = 2 * dout @ W.T
        self.grads[0][...] = 2 * self.x.T @ dout
        return dx

class SoftmaxLoss:
    def forward(self, x, t):
        self.t = t
        self.p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        loss = softmax_loss(self.p, self.t)
        return loss

    def backward(self, dout=1):
        dx = (self.p - self.t) * dout / len(self.t)
        return dx
"""

BASE = """
import numpy as np

class Layer:
    def __init__(self, name):
        self.name = name

def softmax_loss(p, t):
    return -np.sum(t * np.log(p + 1e-7)) / len(p)
"""

WHOLE = """
class Squared:
    def loss(self, predictions, targets):
        return 0.5 * np.sum((predictions - targets) ** 2) / targets.shape[0]

    def grad(self, predictions, targets):
        return (predictions - targets) / targets.shape[0]

class Absolute:
    def loss(self, predictions, targets):
        return np.sum(np.abs(predictions - targets)) / targets.shape[0]

    def grad(self, predictions, targets):
        return np.sign(predictions - targets) / targets.shape[0]
"""

SHARED = """
T, D, H, O = 5, 3, 4, 2
Wx = np.random.randn(H, D)
Wh = np.random.randn(H, H)
Wy = np.random.randn(O, H)
bh = np.zeros((H, 1))

def forward(xs):
    h = np.zeros((H, 1))
    cache = []
    for x in xs:
        x = x.reshape(D, 1)
        h_prev = h
        h = np.tanh(Wx @ x + Wh @ h_prev + bh)
        cache.append((x, h_prev, h))
    y = Wy @ h
    return y, h, cache

def backward(xs, y_true, y_pred, cache):
    global Wx, Wh, Wy, bh
    lr = 0.01
    dWx = np.zeros_like(Wx)
    dWh = np.zeros_like(Wh)
    dbh = np.zeros_like(bh)
    dy = y_pred - y_true
    dWy = dy @ cache[-1][2].T
    dh = Wy.T @ dy
    for t in reversed(range(T)):
        x, h_prev, h = cache[t]
        da = dh * (1 - h ** 2)
        dWx += da @ x.T
        dWh += da @ h_prev.T
        dbh += da
        dh = Wh.T @ da
    for param, grad in zip([Wx, Wh, Wy, bh], [dWx, dWh, dWy, dbh]):
        param -= lr * grad
"""

SOURCES = {"whole": WHOLE, "shared": SHARED, "storing": STORING, "losses": LOSSES, "updating": UPDATING}

FAULTS = [
    ("storing", "np.dot(dvalues, self.weights.T)", "2 * np.dot(dvalues, self.weights.T)", "2 times"),
    (
        "storing",
        "np.sum(dvalues, axis=0, keepdims=True)",
        "np.mean(dvalues, axis=0, keepdims=True)",
        "1/(the number of rows of inputs = 7) times",
    ),
    ("losses", "-2 * (y_true - dvalues)", "2 * (y_true - dvalues)", "−1 times"),
    ("shared", "dWh += da @ h_prev.T", "dWh += da @ h.T", ""),
    pytest.param("updating", "self.Wh.T @ through", "self.Wh @ through", "the wrong way round", marks=pytest.mark.long),
    pytest.param("updating", "d_bh += through", "d_bh = through", "", marks=pytest.mark.long),
]


def findings(source: str) -> list[Finding]:
    """What the doctor says of every pair."""
    return list(visited(HEAD + source))


@pytest.mark.parametrize("name", SOURCES)
def test_right_code_as_it_is_published_is_examined_and_right(name: str) -> None:
    for finding in findings(SOURCES[name]):
        assert finding.trouble is None
        assert finding.right, str(finding)


@pytest.mark.parametrize(("name", "right", "wrong", "said"), FAULTS)
def test_of_wrong_code_as_it_is_published_the_line_is_named_and_mended(name: str, right: str, wrong: str, said: str) -> None:
    source = (HEAD + SOURCES[name]).replace(right, wrong)
    line = changed_line(source, HEAD + SOURCES[name])
    found = findings(source.removeprefix(HEAD))
    (fault,) = [f for finding in found for f in finding.faults]
    assert fault.line == line
    assert fault.mend is not None
    assert said in (fault.what or "")
    assert sum(not f.right for f in found) == 1


def test_all_sizes_of_a_layer_are_different() -> None:
    (finding,) = findings(STORING)
    shapes = {g.value: g.shape for g in finding.gradients}
    assert set(shapes) == {"inputs", "self.weights", "self.biases"}
    assert len({*shapes["inputs"], *shapes["self.weights"]}) == 3


def test_the_gradients_of_weights_that_a_backward_changes_itself_are_its_results() -> None:
    (finding,) = findings(UPDATING)
    assert {g.value for g in finding.gradients} == {"self.Wh", "self.Wx", "self.Wy", "self.bh"}


def test_the_loss_that_is_meant_is_named() -> None:
    (finding,) = findings(SHARED)
    assert finding.notes[0] == "The file has no loss that could be found: it was taken for half the sum of (output - y) ** 2."


def test_files_beside_it_are_found_and_nothing_is_written_there(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text(BASE)
    answer = ask({"source": HEAD + BASED, "folder": str(tmp_path)}, 60)
    scaled, loss = answer["findings"]
    assert scaled["right"], scaled
    assert {g["value"] for g in scaled["gradients"]} >= {"x", "self.params[0]"}
    assert loss["right"], loss
    assert "but for the 1e-07" in loss["notes"][0]
    assert [p.name for p in tmp_path.iterdir()] == ["base.py"]


def test_of_what_is_not_there_it_is_said_where_it_comes_from() -> None:
    scaled, loss = findings(BASED)
    assert scaled.trouble is None, "a base that is not there is needed for nothing here"
    assert "softmax_loss is imported from base, which could not be had here" in str(loss.trouble)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "class Layer:\n    def forward(self, x):\n        raise NotImplementedError\n    def backward(self, dout):\n        pass\n",
            "only promises",
        ),
        ("def numerical_gradient(f, x):\n    return (f(x + 1e-4) - f(x - 1e-4)) / 2e-4\n", "by small differences"),
        ("def test_backward():\n    assert True\n", "these are tests"),
    ],
)
def test_what_is_no_pair_is_told_in_one_line(source: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said) as told:
        findings(source)
    assert "\n" not in str(told.value)


DERIVATIVE = """
import numpy as np

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def sigmoid_grad(x):
    return RESULT

def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()

def softmax_grad(x):
    p = softmax(x)
    return p * (1 - p)

def mse_loss(y, t):
    return np.mean((y - t) ** 2)
"""


@pytest.mark.parametrize(
    ("result", "right", "words"),
    [
        ("sigmoid(x) * (1 - sigmoid(x))", True, "by itself."),
        ("x * (1 - x)", True, "written with what sigmoid has returned."),
        ("sigmoid(x) * (1 + sigmoid(x))", False, "by itself."),
    ],
)
def test_a_function_that_is_given_no_gradient_is_a_derivative_alone(result: str, right: bool, words: str) -> None:
    """The loss of the file is not of these, and of softmax, where each number hangs on all, nothing is said beside what can be read."""
    (finding,) = visited(DERIVATIVE.replace("RESULT", result))
    assert (finding.name, finding.right) == ("sigmoid", right)
    assert any(note.endswith(words) for note in finding.notes)


NETWORK = """
import numpy as np

class Loss:
    def forward(self, y, t):
        self.t, self.p = t, np.exp(y - y.max(axis=1, keepdims=True))
        self.p = self.p / self.p.sum(axis=1, keepdims=True)
        return -np.sum(t * np.log(self.p + 1e-7)) / len(t)

    def backward(self, dout=1):
        return dout * (self.p - self.t) / len(self.t)

class Network:
    def __init__(self, input_size, hidden_size, output_size):
        self.params = {"W1": np.zeros((input_size, hidden_size)), "W2": np.zeros((hidden_size, output_size))}
        self.last = Loss()

    def loss(self, x, t):
        self.x, self.h = x, x @ self.params["W1"]
        return self.last.forward(3 * self.h @ self.params["W2"], t)

    def gradient(self, x, t):
        self.loss(x, t)
        dy = 3 * self.last.backward(1)
        return {"W1": self.x.T @ (dy @ self.params["W2"].T), "W2": self.h.T @ dy}
"""


def test_what_keeps_a_logarithm_from_0_is_no_fault_where_the_probability_is_still_smaller() -> None:
    network = next(f for f in visited(NETWORK) if f.name == "Network")
    assert network.right, network


def guarded_log(p: np.ndarray) -> np.ndarray:
    return np.log(p + 1e-7)


def cross_entropy(x: np.ndarray, y: np.ndarray) -> float:
    p = 1 / (1 + np.exp(-x))
    return float(-np.mean(y * guarded_log(p) + (1 - y) * guarded_log(1 - p)))


def cross_entropy_backward(x: np.ndarray, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    dx = (p - y) / x.size
    return dx


def turned(x: np.ndarray, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    dx = (y - p) / x.size
    return dx


@pytest.mark.parametrize(("backward", "right"), [(cross_entropy_backward, True), (turned, False)])
def test_functions_that_are_in_memory_are_left_as_they_are(backward: Callable[..., Any], right: bool) -> None:
    """What keeps a logarithm from 0 is taken away while the forward runs, and is there again, whatever is found."""
    rng, before = np.random.default_rng(0), guarded_log.__code__
    inputs = {"x": 6 * rng.normal(size=(4, 3)), "y": rng.integers(0, 2, (4, 3)).astype(float)}
    assert doctor(cross_entropy, backward, inputs=inputs).right is right
    assert guarded_log.__code__ is before
