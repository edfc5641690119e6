"""Text and source files as HTML: what the docstrings hold is Markdown."""

from __future__ import annotations

import ast
import inspect
import sys

from markdown_it import MarkdownIt

MARKDOWN = MarkdownIt("commonmark").enable("table")


def rendered(text: str) -> str:
    """Markdown as HTML."""
    return str(MARKDOWN.render(inspect.cleandoc(text)))


def lesson_of(cls: type) -> str:
    """The docstring of the file that a class stands in."""
    return inspect.getdoc(sys.modules[cls.__module__]) or ""


def code_of(cls: type) -> str:
    """The file that a class stands in, without the docstring that it begins with."""
    source = inspect.getsource(sys.modules[cls.__module__])
    first = ast.parse(source).body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return "\n".join(source.split("\n")[first.end_lineno if documented else 0 :]).strip() + "\n"
