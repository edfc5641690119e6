"""Options in a dict, words, strides, images: the doctor reads from the text what an argument may be."""

from __future__ import annotations

import pytest

from experiments.doctor.visit import visited

NORMALISED = """import numpy as np
def batchnorm_forward(x, gamma, beta, options):
    mode = options['mode']
    eps = options.get('eps', 1e-5)
    if mode == 'train':
        centred = x - x.mean(axis=0)
        std = np.sqrt((centred ** 2).mean(axis=0) + eps)
        xhat = centred / std
        options['running'] = std
    elif mode == 'test':
        xhat = x / options['running']
    else:
        raise ValueError(mode)
    return gamma * xhat + beta, (xhat, gamma, std)
def batchnorm_backward(dout, cache):
    xhat, gamma, std = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dx = (dxhat - dxhat.mean(axis=0) - xhat * (dxhat * xhat).mean(axis=0)) / std
    return dx, dgamma, dbeta
"""

DROPPED = """import numpy as np
def dropout_forward(x, options):
    p, mode = options['p'], options['mode']
    if 'seed' in options:
        np.random.seed(options['seed'])
    mask = None
    if mode == 'train':
        mask = (np.random.rand(*x.shape) < p) / p
        x = x * mask
    return x, mask
def dropout_backward(dout, mask):
    dx = dout * mask
    return dx
"""

POOLED = """import numpy as np
def pool_forward(x, options):
    size, stride = options['size'], options['stride']
    N, C, H, W = x.shape
    out = np.zeros((N, C, 1 + (H - size) // stride, 1 + (W - size) // stride))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = x[:, :, i*stride:i*stride+size, j*stride:j*stride+size].max(axis=(2, 3))
    return out, (x, options)
def pool_backward(dout, cache):
    x, options = cache
    size, stride = options['size'], options['stride']
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = x[:, :, i*stride:i*stride+size, j*stride:j*stride+size]
            mask = window == window.max(axis=(2, 3), keepdims=True)
            dx[:, :, i*stride:i*stride+size, j*stride:j*stride+size] += mask * dout[:, :, i, j][:, :, None, None]
    return dx
"""

GATED = """import numpy as np
def cell_forward(xt, a_prev, parameters):
    Wf, bf = parameters["Wf"], parameters["bf"]
    concat = np.concatenate((a_prev, xt), axis=0)
    ft = 1 / (1 + np.exp(-(np.dot(Wf, concat) + bf)))
    a_next = ft * a_prev
    return a_next, (a_prev, xt, ft, concat, parameters)
def cell_backward(da_next, cache):
    a_prev, xt, ft, concat, parameters = cache
    n = a_prev.shape[0]
    dft = da_next * a_prev * ft * (1 - ft)
    dWf = np.dot(dft, concat.T)
    dbf = dft.sum(axis=1, keepdims=True)
    dconcat = parameters["Wf"].T @ dft
    return {"dxt": dconcat[n:], "da_prev": dconcat[:n] + da_next * ft, "dWf": dWf, "dbf": dbf}
"""
"""What is called dft here is the gradient of what goes into the sigmoid, not of ft."""

FILES = {"normalised": NORMALISED, "dropped": DROPPED, "pooled": POOLED, "gated": GATED}


@pytest.mark.parametrize("name", FILES)
def test_right_code_with_options_is_right(name: str) -> None:
    (finding,) = visited(FILES[name])
    assert finding.right, str(finding)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("normalised", "dxhat = dout * gamma", "dxhat = dout"),
        ("dropped", "dx = dout * mask", "dx = dout"),
        ("pooled", "mask = window == window.max", "mask = window == window.min"),
        ("gated", "dft.sum(axis=1", "dft.sum(axis=0"),
    ],
)
def test_the_line_of_a_fault_in_it_is_named(name: str, right: str, wrong: str) -> None:
    line = FILES[name][: FILES[name].index(right)].count("\n") + 1
    (finding,) = visited(FILES[name].replace(right, wrong))
    assert [f.line for f in finding.faults] == [line]
