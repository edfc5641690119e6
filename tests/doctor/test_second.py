"""The second verdict: a forward that is what its name says agrees with torch's, another one differs; the rest is silence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.doctor.second.named import operation
from experiments.doctor.visit import visited

EACH = """import numpy as np
def {name}_forward(x):
    out = {value}
    return out, (x, out)
def {name}_backward(dout, cache):
    x, out = cache
    dx = dout * ({slope})
    return dx
"""

SOFTMAX = """import numpy as np
class Softmax:
    def forward(self, x):
        e = np.exp(x)
        self.out = e / np.sum(e{axis})
        return self.out
    def backward(self, dout):
        dx = self.out * (dout - (dout * self.out).sum({axis}))
        return dx
"""

AFFINE = """import numpy as np
def affine_forward(x, w, b):
    out = {value}
    return out, (x, w, b)
def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout @ {w}
    dw = {dw}
    db = dout.sum(axis=0)
    return dx, dw, db
"""

MSE = """import numpy as np
def mse_forward(pred, y):
    loss = {value}
    return loss, (pred, y)
def mse_backward(cache):
    pred, y = cache
    dpred = {slope}
    return dpred
"""

BCE = """import numpy as np
def bce_forward(z, y):
    p = 1 / (1 + np.exp(-z))
    loss = {value}
    return loss, (p, y)
def bce_backward(cache):
    p, y = cache
    dz = {slope}
    return dz
"""

CROSS_ENTROPY = """import numpy as np
def cross_entropy_forward(x, y):
    e = np.exp(x)
    p = e / e.sum(axis={axis}, keepdims=True)
    loss = {value}
    return loss, (p, y)
def cross_entropy_backward(cache):
    p, y = cache
    dx = (p - y) / len(y)
    return dx
"""

NORM = """import numpy as np
def {name}_forward(x, gamma, beta, eps=1e-5):
    xhat = (x - x.mean({axis})) / np.sqrt(x.var({axis}{ddof}) + eps)
    return gamma * xhat + beta, (x, xhat, gamma, eps)
def {name}_backward(dout, cache):
    x, xhat, gamma, eps = cache
    dgamma = (dout * xhat).sum(axis=0)
    dbeta = dout.sum(axis=0)
    d = dout * gamma
    dx = (d - d.mean({axis}) - xhat * (d * xhat).mean({axis})) / np.sqrt(x.var({axis}) + eps)
    return dx, dgamma, dbeta
"""

CONVOLUTION = """import numpy as np
def conv_forward(x, w, b, stride=2):
    N, C, H, W = x.shape
    F, _, k, k = w.shape
    out = np.zeros((N, F, (H - k) // stride + 1, (W - k) // stride + 1))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            window = x[:, :, i * stride : i * stride + k, j * stride : j * stride + k]
            out[:, :, i, j] = np.tensordot(window, w{flip}, axes=([1, 2, 3], [1, 2, 3])) + b
    return out, (x, w, stride)
def conv_backward(dout, cache):
    x, w, stride = cache
    k = w.shape[2]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    db = dout.sum(axis=(0, 2, 3))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            rows, columns = slice(i * stride, i * stride + k), slice(j * stride, j * stride + k)
            dw += np.tensordot(dout[:, :, i, j], x[:, :, rows, columns], axes=(0, 0)){flip}
            dx[:, :, rows, columns] += np.tensordot(dout[:, :, i, j], w{flip}, axes=(1, 0))
    return dx, dw, db
"""

ATTENTION = """import numpy as np
def attention_forward(q, k, v):
    s = q @ k.T{scale}
    e = np.exp(s - s.max(axis=1, keepdims=True))
    a = e / e.sum(axis=1, keepdims=True)
    return a @ v, (q, k, v, a)
def attention_backward(dout, cache):
    q, k, v, a = cache
    da = dout @ v.T
    dv = a.T @ dout
    ds = a * (da - (da * a).sum(axis=1, keepdims=True)){scale}
    return ds @ k, ds.T @ q, dv
"""

LSTM = """import numpy as np
def sigmoid(x):
    return 1 / (1 + np.exp({sign}x))
def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H:2*H]), sigmoid(a[:, 2*H:3*H])
    g = np.tanh(a[:, 3*H:])
    next_c = f * prev_c + i * g
    next_h = o * {squash}(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)
def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    t = np.tanh(next_c)
    do = dnext_h * t
    dc = dnext_c + dnext_h * o * (1 - t ** 2)
    da = np.hstack((dc * g * i * (1 - i), dc * prev_c * f * (1 - f), do * o * (1 - o), dc * i * (1 - g ** 2)))
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)
"""

ROWS, COLUMNS = "axis=1, keepdims=True", "axis=0, keepdims=True"

AGREE = [
    (EACH.format(name="relu", value="np.maximum(0, x)", slope="x > 0"), "nn.functional.relu."),
    (EACH.format(name="leaky_relu", value="np.where(x > 0, x, 0.2 * x)", slope="np.where(x > 0, 1, 0.2)"), "negative_slope = 0.2"),
    (EACH.format(name="swish", value="x / (1 + np.exp(-x))", slope="(1 + np.exp(-x) * (1 + x)) / (1 + np.exp(-x)) ** 2"), "silu."),
    (EACH.format(name="softplus", value="np.log(1 + np.exp(x))", slope="1 / (1 + np.exp(-x))"), "softplus."),
    (SOFTMAX.format(axis=", " + ROWS).replace("sum(, ", "sum("), "softmax along dim=1"),
    (SOFTMAX.format(axis=", " + COLUMNS).replace("sum(, ", "sum("), "along dim=0 (each column by itself"),
    (AFFINE.format(value="x @ w + b", w="w.T", dw="x.T @ dout"), "linear(x @ W + b)"),
    (AFFINE.format(value="x @ w.T + b", w="w", dw="dout.T @ x"), "linear(x @ W.T + b)"),
    (MSE.format(value="np.mean((pred - y) ** 2)", slope="2 * (pred - y) / pred.size"), "mse_loss."),
    (MSE.format(value="np.sum((pred - y) ** 2)", slope="2 * (pred - y)"), "mse_loss(reduction='sum')."),
    (MSE.format(value="0.5 * np.sum((pred - y) ** 2)", slope="pred - y"), "up to the factor 1/2"),
    (BCE.format(value="-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))", slope="(p - y) / p.size"), "binary_cross_entropy_with_logits."),
    (CROSS_ENTROPY.format(axis=1, value="-np.sum(y * np.log(p)) / len(x)"), "cross_entropy."),
    (NORM.format(name="layernorm", axis=ROWS, ddof=""), "layer_norm with eps = 1e-05"),
    (NORM.format(name="batchnorm", axis="axis=0", ddof=""), "batch_norm with eps = 1e-05"),
    (CONVOLUTION.format(flip=""), "conv2d with stride=2"),
    (ATTENTION.format(scale=" / np.sqrt(q.shape[1])"), "scaled_dot_product_attention."),
    (LSTM.format(sign="-", squash="np.tanh"), "LSTMCell with the gates in the order i, f, o, g"),
]

DIFFER = [
    (EACH.format(name="sigmoid", value="1 / (1 + np.exp(x))", slope="-out * (1 - out)"), "is sigmoid of −x in place of x"),
    (EACH.format(name="tanh", value="np.exp(x) - np.exp(-x)", slope="np.exp(x) + np.exp(-x)"), "is 2 times sinh of x"),
    (
        EACH.format(name="elu", value="np.where(x > 0, x, np.exp(x))", slope="np.where(x > 0, 1, np.exp(x))"),
        "1 has to be taken away from it",
    ),
    (SOFTMAX.format(axis=""), "divided by the sum of all entries"),
    (AFFINE.format(value="x @ w", w="w.T", dw="x.T @ dout"), "without the bias"),
    (MSE.format(value="np.mean((pred - y) ** 2) / 3", slope="2 * (pred - y) / pred.size / 3"), "is 0.333333 times torch's"),
    (BCE.format(value="-np.mean(y * np.log(p))", slope="-y * (1 - p) / p.size"), "without the second term"),
    (CROSS_ENTROPY.format(axis=0, value="-np.sum(y * np.log(p)) / len(x)"), "softmax along the examples"),
    (CROSS_ENTROPY.format(axis=1, value="-np.mean(y * np.log(p))"), "averaged over all entries"),
    (NORM.format(name="layernorm", axis=ROWS, ddof=", ddof=1"), "divided by n − 1 within the variance"),
    (NORM.format(name="batchnorm", axis="axis=0", ddof=", ddof=1"), "divided by n − 1 within the variance"),
    (CONVOLUTION.format(flip="[:, :, ::-1, ::-1]"), "with the kernel flipped, which torch does not do (with stride=2)"),
    (ATTENTION.format(scale=""), "scores that are not divided by √d"),
    (LSTM.format(sign="-", squash=""), "without the tanh of the new cell"),
]


@pytest.mark.parametrize(("source", "said"), AGREE)
def test_a_forward_that_is_what_its_name_says_agrees(source: str, said: str) -> None:
    (finding,) = visited(source)
    assert finding.right, str(finding)
    (sentence,) = finding.second
    assert sentence.startswith("Its forward agrees with torch"), sentence
    assert said in sentence


@pytest.mark.parametrize(("source", "said"), DIFFER)
def test_a_forward_that_is_not_differs_by_what_can_be_said(source: str, said: str) -> None:
    (finding,) = visited(source)
    (sentence,) = finding.second
    assert sentence.startswith("Its forward is not torch"), sentence
    assert said in sentence


def test_what_is_right_for_its_own_forward_is_right_whatever_that_is() -> None:
    (finding,) = visited(EACH.format(name="sigmoid", value="1 / (1 + np.exp(x))", slope="-out * (1 - out)"))
    assert finding.right
    assert finding.second[0].endswith("The backward is judged against the forward as it stands.")


def test_a_backward_of_torchs_function_under_another_forward_tells_which_of_the_two_is_to_be_mended() -> None:
    (finding,) = visited(EACH.format(name="sigmoid", value="1 / (1 + np.exp(x))", slope="(1 - 1 / (1 + np.exp(-x))) / (1 + np.exp(-x))"))
    assert not finding.right
    assert finding.second[0].endswith("The backward is the derivative of torch's sigmoid: it is the forward that has to be mended.")


@pytest.mark.long
def test_a_function_that_forward_calls_is_spoken_of_only_where_it_differs() -> None:
    (right,) = visited(LSTM.format(sign="-", squash="np.tanh"))
    assert len(right.second) == 1
    (wrong,) = visited(LSTM.format(sign="", squash="np.tanh"))
    assert wrong.second[-1].startswith("sigmoid, which it calls, is not torch.sigmoid: it is sigmoid of −x in place of x.")


@pytest.mark.parametrize(
    "source",
    [
        EACH.format(name="linear", value="1.0 * x", slope="1.0"),  # the identity, which an activation may be
        EACH.format(name="attention", value="x * np.exp(x)", slope="np.exp(x) * (1 + x)"),
        EACH.format(name="softmax_attention_pool", value="x ** 3", slope="3 * x ** 2"),
        EACH.format(name="embedding", value="np.sin(x)", slope="np.cos(x)"),
        EACH.format(name="conv", value="2 * x", slope="2.0"),
        MSE.replace("mse", "norm").format(value="np.sum(pred * y)", slope="y"),
        AFFINE.replace("affine", "dense").format(value="x @ w * (x @ w) + b", w="w.T * 2", dw="x.T @ dout"),
    ],
)
def test_a_name_that_means_something_else_here_says_nothing(source: str) -> None:
    assert [s for finding in visited(source) for s in finding.second] == []


@pytest.mark.parametrize(
    ("name", "is_called"),
    [
        ("softmax_forward", "softmax"),
        ("SoftmaxLayer", "softmax"),
        ("ReLU", "relu"),
        ("LeakyReLU", "leaky_relu"),
        ("my_sigmoid", "sigmoid"),
        ("MSELoss", "mse_loss"),
        ("SoftmaxWithLoss", "cross_entropy"),
        ("BatchNorm1d", "batch_norm"),
        ("conv_forward_naive", "conv2d"),
        ("Conv2D", "conv2d"),
        ("max_pool_forward_naive", "max_pool2d"),
        ("lstm_step_forward", "lstm_cell"),
        ("LayerNorm", "layer_norm"),
        ("softmax_attention", None),
        ("Network", None),
        ("forward", None),
        ("relu_dropout", None),
    ],
)
def test_names(name: str, is_called: str | None) -> None:
    assert operation(name) == is_called


@pytest.mark.long
def test_a_file_says_by_its_name_what_its_forward_is(tmp_path: Path) -> None:
    file = tmp_path / "softmax.py"
    file.write_text(EACH.format(name="x", value="np.exp(x)", slope="out").replace("x_", ""), encoding="utf-8")
    command = [sys.executable, "-m", "experiments", "doctor", str(file), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert "softmax: forward is divided by nothing: it does not add up to 1" in finding["second"][0]
