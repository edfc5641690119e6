"""Windows and their indices: of a stride, of what was padded, and a value that a comparison reads, of which a small move says nothing."""

from __future__ import annotations

import ast

import pytest

from experiments.doctor.mending.slips import moved_windows
from experiments.doctor.mending.solved import deciding
from experiments.doctor.visit import visited
from tests.doctor.planted import changed_line

MAXIMUM = """import numpy as np

def max_pool_forward_naive(x, pool_height=2, pool_width=2, stride=2):
    N, C, H, W = x.shape
    Hout = (H - pool_height) // stride + 1
    Wout = (W - pool_width) // stride + 1
    out = np.zeros((N, C, Hout, Wout))
    for n in range(N):
        for c in range(C):
            for i in range(Hout):
                for j in range(Wout):
                    out[n, c, i, j] = np.max(x[n, c, i*stride:i*stride+pool_height, j*stride:j*stride+pool_width])
    cache = (x, pool_height, pool_width, stride)
    return out, cache

def max_pool_backward_naive(dout, cache):
    x, ph, pw, stride = cache
    N, C, H, W = x.shape
    _, _, Hout, Wout = dout.shape
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(Hout):
                for j in range(Wout):
                    window = x[n, c, i*stride:i*stride+ph, j*stride:j*stride+pw]
                    m = np.max(window)
                    dx[n, c, i*stride:i*stride+ph, j*stride:j*stride+pw] += (window == m) * dout[n, c, i, j]
    return dx
"""

MEAN = """import numpy as np

class AvgPool:
    def __init__(self, size=2):
        self.size = size

    def forward(self, x):
        self.x = x
        n, c, h, w = x.shape
        k = self.size
        oh, ow = h // k, w // k
        out = np.zeros((n, c, oh, ow))
        for i in range(oh):
            for j in range(ow):
                out[:, :, i, j] = x[:, :, i*k:(i+1)*k, j*k:(j+1)*k].mean(axis=(2, 3))
        return out

    def backward(self, dout):
        k = self.size
        dx = np.zeros_like(self.x)
        oh, ow = dout.shape[2:]
        for i in range(oh):
            for j in range(ow):
                dx[:, :, i*k:(i+1)*k, j*k:(j+1)*k] += dout[:, :, i, j][:, :, None, None] / (k * k)
        return dx
"""

PADDED = """import numpy as np

def smooth_forward(x, w, pad=1):
    H, W = x.shape
    k = w.shape[0]
    xp = np.pad(x, pad)
    out = np.zeros((H + 2 * pad - k + 1, W + 2 * pad - k + 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.sum(xp[i:i+k, j:j+k] * w)
    return out, (x, w, pad)

def smooth_backward(dout, cache):
    x, w, pad = cache
    H, W = x.shape
    k = w.shape[0]
    xp = np.pad(x, pad)
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    for i in range(dout.shape[0]):
        for j in range(dout.shape[1]):
            dw += xp[i:i+k, j:j+k] * dout[i, j]
            dxp[i:i+k, j:j+k] += w * dout[i, j]
    dx = dxp[pad:pad+H, pad:pad+W]
    return dx, dw
"""

WRONG = {
    "the largest of all in the place of that of a window": (MAXIMUM, "m = np.max(window)", "m = np.max(x[n, c])"),
    "no stride": (MEAN, "dx[:, :, i*k:(i+1)*k, j*k:(j+1)*k] +=", "dx[:, :, i:i+k, j:j+k] +="),
    "what was padded is not cut off": (PADDED, "dxp[pad:pad+H, pad:pad+W]", "dxp[:H, :W]"),
}


@pytest.mark.parametrize("source", [MAXIMUM, MEAN, PADDED], ids=["maximum", "mean", "padded"])
def test_right_windows_are_right(source: str) -> None:
    (finding,) = visited(source)
    assert finding.right, str(finding)


@pytest.mark.long
@pytest.mark.parametrize("kind", WRONG)
def test_a_window_in_the_wrong_place_is_found_and_moved(kind: str) -> None:
    source, right, wrong = WRONG[kind]
    assert source.count(right) == 1
    (finding,) = visited(source.replace(right, wrong))
    (fault,) = finding.faults
    assert fault.line == changed_line(source, source.replace(right, wrong))
    assert fault.mend is not None


def test_windows_are_moved_on_all_their_axes_at_once() -> None:
    statement = ast.parse("dx[n, i:i + k, j:j + k] += g").body[0]
    assert [text for _, text in moved_windows(statement, ["s", "dout", "0.5"])] == ["dx[n, i * s:i * s + k, j * s:j * s + k] += g"]
    cut = ast.parse("dx = dxp[:, :H, :W]").body[0]
    assert [text for _, text in moved_windows(cut, ["pad"])] == ["dx = dxp[:, pad:pad + H, pad:pad + W]"]
    assert ast.unparse(cut) == "dx = dxp[:, :H, :W]"


def test_the_lines_that_a_comparison_hangs_on_are_known() -> None:
    (function,) = ast.parse("def f(x, d):\n    a = x.max()\n    b = x * 2\n    m = x == a\n    return d * m * b").body
    assert isinstance(function, ast.FunctionDef)
    assert deciding(function) == {2}
