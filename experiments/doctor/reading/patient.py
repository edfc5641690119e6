"""What stands in somebody's file: pairs of a forward and a backward, in whatever shape such code comes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from experiments.doctor.reading.classes import methods, parents, returning
from experiments.doctor.reading.counterparts import counterparts, derivative, is_backward, is_loss, is_sure, twins
from experiments.doctor.reading.updates import updated

LOSSES = ("loss", "cost", "criterion", "objective", "compute_loss", "compute_cost", "loss_fn", "mse", "cross_entropy")


class Unreadable(Exception):
    """No forward and backward could be found, or they cannot be called; the message says what would help."""


class NoLoss(Unreadable):
    """Forward returns no single number, and backward is given no gradient: which loss is meant stands nowhere."""


@dataclass(frozen=True)
class Pair:
    """A forward and its backward.

    Attributes:
        name: to call it by: of the forward, or of the class.
        forward: its tree.
        backward: its tree.
        cls: the class that both are methods of, if they are.
        updates: the values that the backward gives other numbers to itself: then what it names is its result.
        given: by argument of the backward, the value of the forward that it is given, where another name stands for it.
        sure: whether their names leave no doubt: of softmax, softmax_grad may be the backward, and may be a derivative alone.
    """

    name: str
    forward: ast.FunctionDef
    backward: ast.FunctionDef
    cls: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    updates: frozenset[str] = frozenset()
    sure: bool = True

    def parameters(self, of: ast.FunctionDef) -> list[str]:
        """The names of the arguments, without self."""
        names = [a.arg for a in (*of.args.posonlyargs, *of.args.args, *of.args.kwonlyargs)]
        return names[1:] if self.cls and names else names


def pairs(tree: ast.Module, forward: str | None = None, backward: str | None = None) -> list[Pair]:
    """Every pair of a file, in its order.

    Args:
        tree: of the file.
        forward, backward: their names, where they cannot be found by name: "f", "Layer.f".

    Raises:
        Unreadable: if there is none.
    """
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    if forward or backward:
        if not (forward and backward):
            raise Unreadable("--forward and --backward are given together")
        return [Pair(forward, named(tree, forward), named(tree, backward), forward.rpartition(".")[0] or None)]
    found = list(among(functions))
    promised: list[str] = []
    bases = parents(tree)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            own = methods(tree, node.name)
            of_class = (
                sorted(among(own, node.name), key=lambda p: not p.sure)[:1] or of_twins(own, node.name) or whole_network(own, node.name)
            )
            promised += [node.name for n in own if not of_class and counterparts(n, own)][:1]
            found += [replace(p, forward=returning(p.forward), sure=p.sure and node.name not in bases) for p in of_class]
    found = found or only(tree, functions)
    if not found:
        raise Unreadable(nothing(tree, promised))
    return found


def among(functions: Mapping[str, ast.FunctionDef], cls: str | None = None) -> Iterator[Pair]:
    """Every pair of these functions, or methods."""
    for name, forward in functions.items():
        for other in counterparts(name, functions):
            backward = functions[other]
            if is_empty(forward) or is_empty(backward):
                continue
            changes = updated(forward, backward)
            both = (alone(forward, cls), alone(backward, cls)) if cls else (forward, unclipped(backward))
            yield Pair(cls or name, *both, cls, updates=changes, sure=is_sure(name, other))


def derivatives_alone(tree: ast.Module, among_others: Sequence[Pair] = ()) -> list[Pair]:
    """Every function of a file that another is the derivative of by its name, where neither is part of a pair already."""
    taken = {f.name for p in among_others if not p.cls for f in (p.forward, p.backward)}
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name not in taken and not is_empty(n)}
    both = ((f, derivative(name, functions)) for name, f in functions.items())
    return [Pair(f.name, f, functions[other], sure=False) for f, other in both if other is not None]


def of_twins(own: Mapping[str, ast.FunctionDef], cls: str) -> list[Pair]:
    """The pair of a class whose methods have other names than forward and backward: call and gradient, as in Keras."""
    names = twins([n for n, f in own.items() if not is_empty(f)])
    if names is None:
        return []
    forward, backward = (own[n] for n in names)
    return [Pair(cls, alone(forward, cls), alone(backward, cls), cls, updates=updated(forward, backward))]


RUNS = ("feedforward", "feed_forward", "forward", "forward_propagation", "forward_prop", "forward_pass", "predict", "predict_proba")
"""What the method of a network is called that computes its prediction, the likeliest first."""

LEARNS = re.compile(r"_*(back_?prop\w*|bptt|back_?ward_?prop\w*|backward(_pass)?|(get_|compute_)?gradients?|grads?)$", re.IGNORECASE)
"""Likewise of the one that computes its gradients, and is given the input and the target: it runs forward itself."""


def whole_network(own: Mapping[str, ast.FunctionDef], cls: str) -> list[Pair]:
    """A network whose gradients a method computes by itself, from the input and the target: feedforward(a), and backprop(x, y)."""
    forward = next((n for n in own for of in RUNS if n.lower().strip("_") == of and not is_empty(own[n])), None)
    backward = [n for n in own if LEARNS.fullmatch(n) and len(own[n].args.args) == 3 and not is_empty(own[n])]
    if forward is None or len(backward) != 1:
        return []
    both = (own[forward], own[backward[0]])
    return [Pair(cls, alone(both[0], cls), alone(both[1], cls), cls, updates=updated(*both))]


def only(tree: ast.Module, functions: Mapping[str, ast.FunctionDef]) -> list[Pair]:
    """The one function that is called like a backward, and the one beside it that no other calls: network, and its gradients."""
    backward = [n for n in functions if is_backward(n) and "numer" not in n and "check" not in n]
    called = {c.func.id for c in ast.walk(tree) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)}
    forward = [n for n, f in functions.items() if n not in backward and n not in called and f.args.args and not n.startswith("test")]
    return [Pair(forward[0], functions[forward[0]], functions[backward[0]])] if len(forward) == len(backward) == 1 else []


def unclipped(function: ast.FunctionDef) -> ast.FunctionDef:
    """The function without the lines that clip gradients, if it has others."""
    function.body = [s for s in function.body if not clips(s)] or function.body
    return function


def is_empty(function: ast.FunctionDef) -> bool:
    """Whether a method is only promised: it stands in the base of the classes that have it, or is not written yet."""
    if any("abstract" in ast.unparse(d) for d in function.decorator_list):
        return True
    body = [s for s in function.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    raises = [s for s in body if "NotImplemented" in ast.unparse(s) and isinstance(s, ast.Raise | ast.Return)]
    return all(isinstance(s, ast.Pass) or s in raises for s in body)


def nothing(tree: ast.Module, promised: Sequence[str]) -> str:
    """Why there is no pair in a file, in a line."""
    if promised:
        return f"{' and '.join(promised)} only promises a forward and a backward, which its subclasses have: examine the files of those"
    names = [n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and not n.name.startswith("__")]
    if any(n.startswith("test") for n in names):
        return "these are tests: examine the file that they test"
    if any("numerical" in n or "grad_check" in n or "check_grad" in n for n in names):
        return (
            "no forward with a backward stands here, but what measures gradients by small differences: examine the backward that it checks"
        )
    known = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "no function at all"
    return f"no pair of a forward and a backward was found by its names ({known}): name them with --forward and --backward"


class Alone(ast.NodeTransformer):
    """A method that stands outside its class: super() names the class, and so do names with two underscores before them.

    Args:
        cls: the name of the class.
    """

    def __init__(self, cls: str) -> None:
        self.cls = cls

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """super()."""
        self.generic_visit(node)
        match node:
            case ast.Call(ast.Name("super"), [], []):
                node.args = [ast.copy_location(ast.Name(name, ast.Load()), node) for name in (self.cls, "self")]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """self.__pool."""
        self.generic_visit(node)
        if node.attr.startswith("__") and not node.attr.endswith("__"):
            node.attr = f"_{self.cls.lstrip('_')}{node.attr}"
        return node


def alone(function: ast.FunctionDef, cls: str) -> ast.FunctionDef:
    """The method as it runs outside its class."""
    found = Alone(cls).visit(unclipped(function))
    assert isinstance(found, ast.FunctionDef)
    return found


def clips(statement: ast.stmt) -> bool:
    """for dparam in [...]: np.clip(dparam, -5, 5, out=dparam), which is no derivative and is left out; dW = np.clip(dW, -1, 1) likewise."""
    body = statement.body if isinstance(statement, ast.For) else [statement]
    again = re.compile(r"np\.clip\(.*out=|(?P<name>d\w+) = np\.clip\((?P=name),")
    return all(isinstance(s, ast.Expr | ast.Assign) and bool(again.match(ast.unparse(s))) for s in body)


def named(tree: ast.Module, name: str) -> ast.FunctionDef:
    """The function or method of this name."""
    cls, _, function = name.rpartition(".")
    inside: Sequence[ast.stmt] = tree.body
    if cls:
        inside = next((n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls), ())
    for node in inside:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return node
    raise Unreadable(f"there is no function {name} in the file")


def loss_in(tree: ast.Module, name: str | None, pair: Pair | None = None) -> str | None:
    """The function that makes one number of what forward returns: the one that is named, or one that is called like a loss.

    Of several, the one that says more of what the backward says too: compute_cost_with_regularization.
    """
    functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    if name is not None:
        named(tree, name)
        return name
    if pair is not None and is_loss(pair.forward.name):
        return None
    found = [f for f in functions if f.lower() in LOSSES] or [f for f in functions if is_loss(f) and not is_backward(f)]
    said = set(pair.backward.name.split("_")) if pair is not None else set()
    return max(found, key=lambda f: (len(said & set(f.split("_"))), -found.index(f)), default=None)
