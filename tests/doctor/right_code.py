"""Right code at random: forwards made of known lines, each with the lines of its backward, in several manners of writing.

`python -m tests.doctor.right_code N` gives N of them to the doctor and prints every one that it accuses; with two numbers those
from the one to the other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from experiments.doctor.visit import visited


@dataclass(frozen=True)
class Step:
    """A line of forward, v = ... of u, and those of its backward.

    Attributes:
        forward: with {u} for what comes in and {v} for what goes out, {k} for the number of the layer.
        backward: du from dv.
        parameters: that it brings, with the lines of their gradients.
    """

    forward: str
    backward: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...] = ()


ACTIVATIONS = (
    Step("{v} = np.tanh({u})", ("d{u} = d{v} * (1 - {v} ** 2)",)),
    Step("{v} = 1 / (1 + np.exp(-{u}))", ("d{u} = d{v} * {v} * (1 - {v})",)),
    Step("{v} = np.maximum({u}, 0)", ("d{u} = d{v} * ({u} > 0)",)),
    Step("{v} = np.maximum(0, {u})", ("d{u} = d{v}.copy()", "d{u}[{u} <= 0] = 0")),
    Step("{v} = np.where({u} > 0, {u}, 0.1 * {u})", ("d{u} = d{v} * np.where({u} > 0, 1, 0.1)",)),
    Step("{v} = np.log(1 + np.exp({u}))", ("d{u} = d{v} / (1 + np.exp(-{u}))",)),
    Step("{v} = -np.maximum(-{u}, -1.5)", ("d{u} = d{v} * (-{u} > -1.5)",)),
    Step("{v} = {u} ** 2", ("d{u} = 2 * {u} * d{v}",)),
    Step("{v} = np.sin({u})", ("d{u} = np.cos({u}) * d{v}",)),
    Step("{v} = np.abs({u})", ("d{u} = np.sign({u}) * d{v}",)),
    Step("{v} = np.clip({u}, -1, 1)", ("d{u} = d{v} * (np.abs({u}) < 1)",)),
    Step(
        "{v} = {u} - {u}.mean(axis=1, keepdims=True)",
        ("d{u} = d{v} - d{v}.mean(axis=1, keepdims=True)",),
    ),
    Step(
        "{v} = np.exp({u} - {u}.max(axis=1, keepdims=True)); {v} = {v} / {v}.sum(axis=1, keepdims=True)",
        ("d{u} = {v} * (d{v} - (d{v} * {v}).sum(axis=1, keepdims=True))",),
    ),
)
LAYERS = (
    Step(
        "{v} = {u} @ W{k} + b{k}",
        ("d{u} = d{v} @ W{k}.T",),
        (("W{k}", "dW{k} = {u}.T @ d{v}"), ("b{k}", "db{k} = d{v}.sum(axis=0)")),
    ),
    Step(
        "{v} = np.dot({u}, W{k}) + b{k}",
        ("d{u} = np.dot(d{v}, W{k}.T)",),
        (("W{k}", "dW{k} = np.dot({u}.T, d{v})"), ("b{k}", "db{k} = np.sum(d{v}, axis=0)")),
    ),
    Step("{v} = {u} @ W{k}", ("d{u} = np.einsum('no,io->ni', d{v}, W{k})",), (("W{k}", "dW{k} = np.einsum('ni,no->io', {u}, d{v})"),)),
)
LOSSES = (
    ("loss = ((out - y) ** 2).mean()", "dout = 2 * (out - y) / out.size"),
    ("loss = 0.5 * np.sum((out - y) ** 2) / len(x)", "dout = (out - y) / len(x)"),
    ("loss = np.abs(out - y).mean()", "dout = np.sign(out - y) / out.size"),
    ("p = 1 / (1 + np.exp(-out)); loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))", "dout = (p - y) / y.size"),
    (
        "e = np.exp(out); p = e / e.sum(axis=1, keepdims=True); loss = -np.sum(y * np.log(p)) / len(x)",
        "dout = -(y - y.sum(axis=1, keepdims=True) * p) / len(x)",
    ),
)


def drawn(seed: int) -> str:
    """The text of a file, whose backward is right."""
    rng = np.random.default_rng(seed)
    pick: Callable[..., int] = rng.integers
    steps: list[Step] = []
    for _ in range(pick(1, 4)):
        steps.append(LAYERS[pick(len(LAYERS))])
        steps += [ACTIVATIONS[i] for i in pick(0, len(ACTIVATIONS), pick(0, 3))]
    forward, backward, results, parameters, u = [], [], [], [], "x"
    for k, step in enumerate(steps, 1):
        v = "out" if k == len(steps) else f"z{k}"
        named = {"u": u, "v": v, "k": k}
        forward += step.forward.format(**named).split("; ")
        lines = [line.format(**named) for line in step.backward]
        for name, line in step.parameters:
            parameters.append(name.format(**named))
            results.append(f"d{parameters[-1]}")
            lines.insert(0, line.format(**named))
        backward.append(lines)
        u = v
    back = [line for lines in reversed(backward) for line in lines]
    values = ["x", *(f"z{k}" for k in range(1, len(steps))), "out", *parameters]
    arguments = ", ".join(["x", *parameters])
    if pick(2):
        loss, dloss = LOSSES[pick(len(LOSSES))]
        more = ["p"] if "p = " in loss else []
        head = f"def forward(x, y, {', '.join(parameters)}):"
        back, tail, values = [dloss, *back], "return loss", [*values, "y", *more]
        forward += loss.split("; ")
        signature = f"def backward({', '.join(dict.fromkeys(values))}):"
    else:
        head, tail = f"def forward({arguments}):", f"cache = ({', '.join(values)})\n    return out, cache"
        signature, back = "def backward(dout, cache):", [f"{', '.join(values)} = cache", *back]
    returned = "return " + ("{" + ", ".join(f"'{r[1:]}': {r}" for r in results) + "}" if pick(2) else ", ".join(results))
    body = "\n    ".join
    return f"import numpy as np\n\n{head}\n    {body(forward)}\n    {tail}\n\n{signature}\n    {body([*back, returned])}\n"


def main() -> int:
    """Give many to the doctor; 1 if it accused one."""
    accused = unread = 0
    first, last = (0, int(sys.argv[1])) if len(sys.argv) == 2 else map(int, sys.argv[1:3])
    for seed in range(first, last):
        for finding in visited(drawn(seed), seed=seed % 7):
            unread += finding.trouble is not None
            if finding.trouble is None and not finding.right:
                accused += 1
                print(f"seed {seed} is accused: {finding}\n{drawn(seed)}", flush=True)
            elif finding.trouble:
                print(f"seed {seed}: {finding.trouble}\n{drawn(seed)}", flush=True)
    print(f"{last - first} right files: {accused} accused, {unread} not read")
    return int(accused > 0)


if __name__ == "__main__":
    sys.exit(main())
