"""A backward that changes the weights itself: its gradients are neither returned nor kept, and are seen when it ends."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any


def updated(forward: ast.FunctionDef, backward: ast.FunctionDef) -> frozenset[str]:
    """What a backward gives other numbers to: attributes that forward computes with, arrays of the file; all where it returns nothing."""
    reads = {ast.unparse(n) for n in ast.walk(forward) if isinstance(n, ast.Attribute | ast.Name) and isinstance(n.ctx, ast.Load)}
    found: set[str] = set()
    for node in ast.walk(backward):
        match node:
            case ast.AugAssign(target=ast.Attribute(ast.Name("self")) as target):
                found.add(ast.unparse(target))
            case ast.Assign(targets=[ast.Attribute(ast.Name("self")) as target]):
                found.add(ast.unparse(target))
            case ast.Global(names=names):
                found |= set(names)
    return frozenset(found & reads)


def with_locals(function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What a function returns, and what it had named when it did so."""
    code, kept, before = function.__code__, {}, sys.getprofile()

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and frame.f_code is code:
            kept.update(frame.f_locals)

    sys.setprofile(look)
    try:
        found = function(*arguments, **named)
    finally:
        sys.setprofile(before)
    return found, kept
