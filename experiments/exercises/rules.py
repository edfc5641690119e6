"""The rules by which a gradient is walked back, in words: which of them a piece of forward needs is read off its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator

RULES = {
    "layer": "A layer has its own backward: it takes the gradient at the layer's output and returns the gradient at its input.",
    "@": "Product of matrices: each factor gets the upstream times the other factor, transposed. On which side, the shapes say.",
    "+": "Sum of terms: each term gets the upstream as it is, a subtracted one with a minus sign. "
    "What was added to every row, as a bias, was used by all rows: it gets the sum over them.",
    "*": "Product: each factor gets the upstream times the other factor. A factor used for many entries gets the sum over them.",
    "/": "Quotient: the upper part gets the upstream over the lower; the lower gets it times the quotient over itself, with a minus sign.",
    "**": "Power: the exponent comes down as a factor, and the power is lower by one.",
    "sum": "Sum over entries: every entry that was added gets the upstream of its sum.",
    "mean": "Mean over entries: as for a sum, but divided by how many there were.",
    "exp": "Exponential: its rate is its own value.",
    "log": "Logarithm: its rate is one over what went in.",
    "sqrt": "Square root: its rate is one over twice its own value.",
    "tanh": "tanh: its rate is one minus the square of its own value.",
    "sigmoid": "Sigmoid: its rate is its own value times what that lacks to 1.",
    "softmax": "Softmax: every output depends on every score of its row, so each score hears from all outputs.",
    "mask": "Maximum, absolute value, sign, choice: the upstream passes where, and with the sign with which, the value passed.",
    "index": "Taking out entries: the gradient goes back to the places they were taken from; all other places get 0.",
    "shape": "Another shape or order of axes: the gradient is brought back to the shape and order before.",
}

OPERATORS = {ast.MatMult: "@", ast.Add: "+", ast.Sub: "+", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
CALLS = {
    **dict.fromkeys(("sum", "dot", "inner", "einsum", "trace"), "sum"),
    **dict.fromkeys(("mean", "average"), "mean"),
    **dict.fromkeys(("exp", "expm1"), "exp"),
    **dict.fromkeys(("log", "log1p", "log2"), "log"),
    "sqrt": "sqrt",
    "tanh": "tanh",
    **dict.fromkeys(("sigmoid", "expit"), "sigmoid"),
    **dict.fromkeys(("softmax", "log_softmax"), "softmax"),
    **dict.fromkeys(("maximum", "minimum", "max", "min", "abs", "sign", "where", "clip"), "mask"),
    **dict.fromkeys(("reshape", "transpose", "swapaxes", "moveaxis", "expand_dims", "stack", "concatenate", "broadcast_to"), "shape"),
}
METHODS_OF_A_MODULE = {"save", "restore", "log", "train", "eval", "forward"}


def rules_of(forward: ast.AST) -> Iterator[str]:
    """The rules that a piece of forward needs, in the order of RULES."""
    found = {kind for node in ast.walk(forward) if (kind := kind_of(node))}
    return (RULES[kind] for kind in RULES if kind in found)


def kind_of(node: ast.AST) -> str | None:
    """Which rule a node needs."""
    match node:
        case ast.BinOp(op=operator):
            return OPERATORS.get(type(operator))
        case ast.Call(ast.Attribute(ast.Name("self"), name)):
            return None if name in METHODS_OF_A_MODULE or name.startswith("_") else "layer"
        case ast.Call(ast.Attribute(attr=name) | ast.Name(id=name)):
            return CALLS.get(name)
        case ast.Subscript(ctx=ast.Load(), slice=ast.Name() | ast.Tuple() | ast.Slice()):
            return "index"
    return None
