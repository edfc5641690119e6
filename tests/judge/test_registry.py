"""What is registered to judge a function is kept, in the order in which it came."""

from __future__ import annotations

import pytest

from experiments.judge import registry
from experiments.judge.registry import judged_by


def test_judges_add_up_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "CHECKS", {})
    first, second, third = (lambda seed, i=i: {"error": float(i)} for i in range(3))
    judged_by("SGD", first, second)
    judged_by("Adam", second)
    judged_by("SGD", third)
    assert {"SGD": [first, second, third], "Adam": [second]} == registry.CHECKS
