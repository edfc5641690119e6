"""What each argument of a stranger's backward is: a value of the forward, the gradient of what it returned, or what it saved."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.doctor.calls.parts import in_tuple, of_words, part_of
from experiments.doctor.calls.ran import Ran, copied
from experiments.doctor.reading.claims import is_array, is_gradient, tells_of_gradient, value_of, versions
from experiments.doctor.reading.patient import Pair, Unreadable
from experiments.doctor.reading.script import returns
from experiments.source.arguments import defaults_of

UPSTREAM = re.compile(
    r"(d_?out(put)?s?|dy|dz|dh|da|upstream|grad_?out(put)?s?|grads?|g|delta|error|d_?next|dvalues|dloss|U|output_gradient|gradients?"
    r"|(next|upper|output|incoming|top)_?(delta|diff|error|grad)"
    r"|d_?l_?d_?(out|y|a|z)\w*|(out|accum|accumulated|backwards?|prev|next|top)_grads?(ient)?|(backwards?|accum)_?gradient)$",
    re.IGNORECASE,
)
CACHE = re.compile(r"\w*(cache|ctx|context|saved|values|memory|state|store|mem|tape)s?$", re.IGNORECASE)
RATE = re.compile(r"((learn(ing)?_?)?rate|lr|eta|alpha|step_?size|momentum|weight_decay)$", re.IGNORECASE)
"""Called like a number by which weights are changed."""

PACE = 0.125
"""What such a number is given as: a power of two, by which nothing is rounded."""

PREDICTED = re.compile(r"(y_?(hat|pred)|pred(iction)?s?|out(put)?s?|logits|probs?|scores|a_?l|d_?values)$", re.IGNORECASE)
"""Called like what forward returns."""

ALONE = re.compile(r"d|err|e|loss_?grad|(next|upper|output|out|incoming|top)_?(d|delta|diff|error|gradient|grad)?$", re.IGNORECASE)
"""Called so, the first argument of a backward may be the gradient that comes in, if it is nothing else."""
LAST = re.compile(r"d_?\w+_?(last|final|end|T|n)$|d_?(h|c|y|x|z|s|v|state|hidden|score|logits?|pred|scores|result)\w*$")
"""Called like the gradient of a state at the end: dh_last, of what forward gives no name."""
INPUT = re.compile(r"(x|inputs?|data|features|samples|images)_?(train|batch|data|in|s)?$", re.IGNORECASE)
TARGETS = (
    "y",
    "t",
    "target",
    "targets",
    "label",
    "labels",
    "y_true",
    "ytrue",
    "truth",
    "onehot",
    "one_hot",
    "y_train",
    "y_batch",
    "y_onehot",
)


def kind(pair: Pair, name: str, ran: Ran) -> str:
    """What an argument of the backward is: a value of the forward, the upstream gradient, what was saved, or unknown."""
    if meant(pair, name, ran) is not None and not is_within_saved(pair, name, ran):
        return "value"
    if is_filled(pair.backward, name):
        return "filled"
    of_value = value_of(name, [*versions(ran.values), "out"]) is not None  # dctx, of ctx
    if CACHE.match(name) and not of_value and (ran.rest or isinstance(ran.out, dict)):
        return "cache"
    if UPSTREAM.match(name) or of_value:
        return "upstream"
    if CACHE.match(name):
        return "cache"
    first = name == next(iter(pair.parameters(pair.backward)), "")
    if (is_gradient(name) or LAST.match(name)) and (first or is_next(pair, name, ran)):
        return "upstream"
    if RATE.match(name) and not (first and pair.cls and is_alone(pair, name, ran)):
        return "rate"
    if PREDICTED.match(name) and is_array(ran.parts[0]):
        return "output"
    alone = pair.cls is not None or (ALONE.match(name) is not None and np.ndim(ran.parts[0]) > 0)
    if first and alone and is_array(ran.parts[0]) and not takes_target(pair):
        return "upstream"
    return "cache" if is_saved(pair, name, ran) else "unknown"


def is_saved(pair: Pair, name: str, ran: Ran) -> bool:
    """Whether it is what forward returned beside, whatever it is called: the one argument of two that is no gradient."""
    names = pair.parameters(pair.backward)
    return len(names) == 2 and name == names[1] and len(ran.rest) == 1 and kind(pair, names[0], ran) == "upstream"


def is_next(pair: Pair, name: str, ran: Ran) -> bool:
    """Whether an argument of the backward follows gradients of what forward returned, and forward returned an array more than these."""
    before = list(itertools.takewhile(lambda other: other != name, pair.parameters(pair.backward)))
    known = sum(kind(pair, other, ran) == "upstream" for other in before)
    return bool(before) and kind(pair, before[-1], ran) == "upstream" and known < len(ran.parts) and is_array(part_of(pair, ran, known))


def is_within_saved(pair: Pair, name: str, ran: Ran) -> bool:
    """Whether forward calls something so that is only a part of what it returns beside its result: out, (x, W, cache)."""
    if not (CACHE.match(name) and ran.rest) or name in pair.parameters(pair.forward):
        return False
    rest = result_nodes(pair.forward)[1:]
    inner = {n.id for node in rest if isinstance(node, ast.Tuple) for n in ast.walk(node) if isinstance(n, ast.Name)}
    return name in inner and not any(isinstance(node, ast.Name) and node.id == name for node in rest)


def is_filled(backward: ast.FunctionDef, name: str) -> bool:
    """Whether an argument is a dict that the backward puts its gradients into: gradients['W'] = dW; or one by its annotation alone."""
    written = [n for n in ast.walk(backward) if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
    into = [n.slice for n in written if ast.unparse(n.value) == name]
    if into:
        return tells_of_gradient(name) and all(
            isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and s.value is not None) for s in into
        )
    annotated = next((a.annotation for a in backward.args.args if a.arg == name), None)
    return (
        annotated is not None
        and bool(re.match(r"(typing\.)?(dict|mutable_?mapping)", ast.unparse(annotated), re.I))
        and tells_of_gradient(name)
    )


def is_layer(pair: Pair) -> bool:
    """Whether it is a class whose backward is given a gradient, and no target."""
    names = [n.lower() for n in pair.parameters(pair.backward)]
    return pair.cls is not None and bool(names) and not {*names} & {*TARGETS}


def is_alone(pair: Pair, name: str, ran: Ran) -> bool:
    """Whether no other argument of the backward is the gradient of what forward returned: eta may be its name too."""
    others = [n for n in pair.parameters(pair.backward) if n != name]
    return not any(UPSTREAM.match(n) or n.lower() in TARGETS for n in others) and is_array(ran.parts[0]) and np.ndim(ran.parts[0]) > 0


def takes_target(pair: Pair) -> bool:
    """Whether the backward is given the target, and begins with the loss's gradient itself."""
    return any(n.lower() in TARGETS for n in pair.parameters(pair.backward))


def meant(pair: Pair, name: str, ran: Ran) -> Any:
    """The value of forward that is given under this name: its own, the target, or the input, which may be x_train here and X there."""
    name = pair.given.get(name, name)
    if name == "out" and name not in ran.final and name in pair.given.values():
        return ran.parts[0]
    if name in ran.final:
        return ran.passed.get(name, ran.final[name])
    if name.lower() in TARGETS:
        return target(ran)
    inputs = [n for n in ran.final if INPUT.match(n)] if INPUT.match(name) else []
    ours = pair.parameters(pair.forward)
    if INPUT.match(name) and not inputs and len(ours) == 1 and takes_target(pair):
        return ran.passed.get(ours[0])  # a of feedforward(a) is x of backprop(x, y)
    return ran.final[inputs[0]] if len(inputs) == 1 else None


def target(ran: Ran) -> Any:
    """What the file calls the target, under any of the names for it."""
    known = {**ran.passed, **{n: v for n, v in ran.values.items() if n not in ran.computed}, **ran.values}  # forward may compute a y itself
    return next((v for n, v in known.items() if n.lower() in TARGETS), None)


def upstreams(pair: Pair, ran: Ran) -> list[str]:
    """The arguments of the backward that are gradients of what forward returned, or what a tuple of them is unpacked into."""
    return [each for name in pair.parameters(pair.backward) if kind(pair, name, ran) == "upstream" for each in in_tuple(pair, name, ran)]


def outputs(pair: Pair, ran: Ran) -> dict[str, int]:
    """By upstream gradient, the number of what it belongs to among what forward returned: by its name, or else in their order."""
    names = upstreams(pair, ran)
    parts = [part_of(pair, ran, i) for i in range(len(ran.parts))]
    nodes = result_nodes(pair.forward)
    called = [ast.unparse(n) if isinstance(n, ast.Name | ast.Attribute) else f"part {i}" for i, n in enumerate(nodes)]
    if len(called) != len(parts):
        called = [f"part {i}" for i in range(len(parts))]
    arrays = [c for c, p in zip(called, parts, strict=True) if is_array(p)]
    of = {name: called.index(c) for name in names if (c := value_of(name, arrays) or of_words(name, arrays))}
    left = [i for i, p in enumerate(parts) if is_array(p) and i not in of.values()]
    for i, name in enumerate(names):
        if name not in of:
            of[name] = i if i in left else next(iter(left), 0)
            left = [k for k in left if k != of[name]]
    return {name: of[name] for name in names}


def saved(pair: Pair, name: str, ran: Ran) -> Any:
    """What the backward is given as its cache: as many things as it unpacks, or the one that forward returned beside."""
    called = {n.id: i for i, n in enumerate(result_nodes(pair.forward)) if isinstance(n, ast.Name)}
    if len(ran.rest or ()) > 1 and called.get(name, 0) and len(ran.parts) == len(result_nodes(pair.forward)):
        return ran.parts[called[name]]
    unpacked = [
        len(n.targets[0].elts)
        for n in ast.walk(pair.backward)
        if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Tuple) and isinstance(n.value, ast.Name) and n.value.id == name
    ]
    whole = ran.returned
    if unpacked and isinstance(whole, tuple) and len(whole) == unpacked[0] and not (ran.rest and isinstance(ran.rest[-1], tuple)):
        return whole
    many = len(upstreams(pair, ran))
    if many > 1 and isinstance(whole, tuple) and len(whole) > many:
        return whole[many] if len(whole) == many + 1 else whole[many:]
    return ran.rest[0] if len(ran.rest) == 1 else ran.rest or ran.out


def arguments(pair: Pair, ran: Ran, upstream: Mapping[str, Any]) -> dict[str, Any]:
    """What the backward is called with."""
    found: dict[str, Any] = {}
    optional = optional_arguments(pair.backward)
    for name in pair.parameters(pair.backward):
        match kind(pair, name, ran):
            case "value":
                found[name] = copied(meant(pair, name, ran))
            case "upstream":
                each = in_tuple(pair, name, ran)
                found[name] = copied(upstream[name]) if each == [name] else tuple(copied(upstream[n]) for n in each)
            case "cache":
                found[name] = saved(pair, name, ran)
            case "output":
                found[name] = copied(prediction(pair, ran))
            case "filled":
                found[name] = {}
            case "rate" if name not in optional:
                found[name] = PACE
            case _ if name not in optional:
                raise Unreadable(f"what is the argument {name} of {pair.backward.name}? Forward names no such value")
    if pair.backward.args.kwarg is not None and isinstance(ran.out, dict):
        found |= {n: v for n, v in ran.out.items() if n not in found}
    return found


def returns_loss(pair: Pair, ran: Ran) -> bool:
    """Whether forward returns one number, and backward is given no target that forward has not seen: it is the loss of another, if any."""
    late = set(pair.parameters(pair.backward)) - {*pair.parameters(pair.forward), *ran.final}
    return is_array(ran.out) and np.ndim(ran.out) == 0 and not late & set(TARGETS)


def prediction(pair: Pair, ran: Ran) -> Any:
    """What forward predicts: of z1, a1, probs that from which backward takes the target away; the first where it takes it from none."""
    called = [n.id if isinstance(n, ast.Name) else "" for n in result_nodes(pair.forward)]
    for node in ast.walk(pair.backward) if len(called) == len(ran.parts) > 1 else ():
        match node:
            case ast.BinOp(ast.Name(name), ast.Sub(), ast.Name(of)) if of.lower() in TARGETS:
                own = name if name in called else "" if called.count("") == 1 and PREDICTED.match(name) else None  # softmax(z2) has no name
                found = ran.parts[called.index(own)] if own is not None else None
                return found if is_array(found) else ran.out
    return ran.out


def number(loss: Any, by_name: bool, ran: Ran, label: str, out: Any) -> Any:
    """What the file's loss makes of what forward returned.

    Args:
        loss: the function.
        by_name: whether it is one line of the file, which knows values of forward by their names.
        ran: what forward has shown.
        label: what the file calls the loss.
        out: what forward predicts.
    """
    if isinstance(out, dict):  # every value on the way, the prediction last
        out = next((v for v in reversed(out.values()) if is_array(v)), out)
    known: dict[str, Any] = {}
    wanted, whose = target(ran), not by_name
    for name, parameter in inspect.signature(loss).parameters.items():
        if name == "self" and ran.self is not None:
            known[name] = ran.self
        elif name.lower() in TARGETS and wanted is not None:
            known[name] = ran.final.get(name, wanted)
        elif whose and not isinstance(ran.final.get(name), dict):
            known[name], whose = ran.final[name] if isinstance(ran.out, dict) and name in ran.out and name in ran.final else out, False
        elif name in ran.final:
            known[name] = ran.final[name]
        elif by_name:
            known[name] = out  # what the script calls what forward returns
        elif parameter.default is inspect.Parameter.empty:
            raise Unreadable(f"what is the argument {name} of {label}? Forward names no such value")
    return loss(**known)


def result_nodes(function: ast.FunctionDef) -> list[ast.expr]:
    """What stands in the return statement, or in the tuple that it names; of `(a, b) if c else (d, e)` a if c else d, and b if c else e."""
    last = last_return(function)
    value = last.value if last else None
    if isinstance(value, ast.Name):
        made = [n.value for n in ast.walk(function) if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == value.id]
        value = made[-1] if made and isinstance(made[-1], ast.Tuple | ast.List) else value
    match value:
        case ast.IfExp(test, ast.Tuple(one), ast.Tuple(other)) if len(one) == len(other):
            return [ast.copy_location(ast.IfExp(test, a, b), value) for a, b in zip(one, other, strict=True)]
    return value.elts if isinstance(value, ast.Tuple | ast.List) else [value] if value else []


def pieces(nodes: Sequence[ast.expr], parts: Sequence[Any]) -> list[tuple[ast.expr, Any]]:
    """The parts of what is returned with what stands for each, those of a list within one by one: dX, [dW, db]; nabla_w of several."""
    found: list[tuple[ast.expr, Any]] = []
    for node, part in zip(nodes, parts, strict=False):
        if not isinstance(part, list | tuple):
            found.append((node, part))
        elif isinstance(node, ast.List | ast.Tuple) and len(node.elts) == len(part):
            found += pieces(node.elts, part)
        elif all(is_array(each) and not np.ndim(each) for each in part):  # the gradient of a vector, number by number
            found.append((node, part))
        elif isinstance(whole := forwards(node), ast.Name | ast.Attribute) and all(map(is_array, part)):
            found += [(element_of(whole, i), each) for i, each in enumerate(part)]
    return found


def forwards(node: ast.expr) -> ast.expr:
    """dWs of dWs[::-1] and of list(reversed(dWs)): a list that was filled from its end."""
    match node:
        case ast.Subscript(whole, ast.Slice(None, None, ast.UnaryOp(ast.USub(), ast.Constant(1)))):
            return whole
        case ast.Call(ast.Name("list" | "tuple"), [ast.Call(ast.Name("reversed"), [whole])]):
            return whole
    return node


def element_of(node: ast.expr, number: int) -> ast.expr:
    """nabla_w[0] of nabla_w."""
    return ast.copy_location(ast.parse(f"{ast.unparse(node)}[{number}]", mode="eval").body, node)


def last_return(function: ast.FunctionDef) -> ast.Return | None:
    """The last return statement, which may stand within a condition; those of functions within are not its own."""
    return max(returns(function.body), key=lambda n: n.lineno, default=None)


def is_read(function: ast.FunctionDef, name: str) -> bool:
    """Whether a function does something with this argument."""
    return any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in ast.walk(function))


def optional_arguments(function: ast.FunctionDef) -> set[str]:
    """The arguments that have a default."""
    return set(defaults_of(function))
