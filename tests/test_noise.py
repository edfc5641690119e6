"""Noise that both sides draw alike, and the arrays that go to and fro between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import manual.nn
from experiments.convert import to_numpy, to_torch
from experiments.noise import SHARED, SharedNoise, put, share_hand, share_torch
from tests.helpers import same


def draw(seed: int = 0, rank: int = 0, name: str = "dropout", micro_batch: int = 0, call: int = 0) -> np.ndarray:
    """The `call`-th draw of a module in a micro-batch."""
    noise = SharedNoise(seed, rank)
    stream = noise.stream(name)
    noise.begin(micro_batch)
    return [stream.random((3, 5)) for _ in range(call + 1)][-1]


def test_a_draw_depends_on_its_key_and_on_nothing_else() -> None:
    keys: list[dict[str, Any]] = [{}, {"seed": 1}, {"rank": 1}, {"name": "layers.1.dropout"}, {"micro_batch": 1}, {"call": 1}]
    draws = [draw(**key) for key in keys]
    assert all(np.array_equal(draw(**key), a) for key, a in zip(keys, draws, strict=True))
    assert len({a.tobytes() for a in draws}) == len(keys)
    assert not np.array_equal(draw(micro_batch=1, call=0), draw(micro_batch=0, call=1))


def test_a_micro_batch_can_be_entered_without_those_before_it() -> None:
    noise = SharedNoise(seed=4)
    stream = noise.stream("a")
    for micro_batch in range(3):
        noise.begin(micro_batch)
        stream.random(7), stream.standard_normal((2, 2))
    assert np.array_equal(draw(seed=4, name="a", micro_batch=2), draw(seed=4, name="a", micro_batch=2))
    noise.begin(2)
    assert np.array_equal(stream.random((3, 5)), draw(seed=4, name="a", micro_batch=2))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.4), nn.Dropout1d(0.3))
        self.drop = nn.AlphaDropout(0.2)


def test_dropouts_are_swapped_by_name_and_put_back() -> None:
    net = Net().eval()
    keys, before = list(net.state_dict()), dict(net.named_modules())
    originals = share_torch(net, SharedNoise(0))
    assert set(originals) == {"inner.1", "inner.2", "drop"}
    for name, original in originals.items():
        swapped = net.get_submodule(name)
        assert type(swapped) is SHARED[type(original)]
        assert (swapped.p, swapped.training) == (original.p, False)
    assert list(net.state_dict()) == keys
    put(net, originals)
    assert dict(net.named_modules()) == before


@pytest.mark.parametrize(
    ("kind", "shape"), [(nn.Dropout, (9, 5)), (nn.Dropout1d, (4, 6, 5)), (nn.Dropout2d, (4, 3, 5, 2)), (nn.AlphaDropout, (9, 5))]
)
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_both_sides_drop_the_same_entries_and_torchs_own_number_of_them(kind: Any, shape: tuple[int, ...], p: float) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    ours, theirs = getattr(manual.nn, kind.__name__)(p), nn.Sequential(kind(p))
    share_hand(ours, noise := SharedNoise(1))
    share_torch(theirs, also := SharedNoise(1))
    also.streams["0"].key = noise.streams[""].key  # one stands at the top, the other in a Sequential
    for micro_batch in (0, 1):
        noise.begin(micro_batch), also.begin(micro_batch)
        y = theirs(torch.from_numpy(x)).numpy()
        assert ours(x) == pytest.approx(y, rel=1e-14, abs=1e-14)
    theirs.eval(), ours.eval()
    assert np.array_equal(theirs(torch.from_numpy(x)).numpy(), x)
    assert np.array_equal(ours(x), x)


@pytest.mark.parametrize("kind", [nn.Dropout, nn.AlphaDropout])
def test_shared_noise_has_the_distribution_of_torchs(kind: Any) -> None:
    """Mean and standard deviation of 200,000 entries, each known to about 0.3 %."""
    x = torch.from_numpy(np.random.default_rng(2).normal(0.5, 1, 200_000))
    own = kind(0.3)
    shared = nn.Sequential(kind(0.3))
    share_torch(shared, SharedNoise(0))
    a, b = shared(x), own(x)
    assert float(a.mean()) == pytest.approx(float(b.mean()), abs=0.012)
    assert float(a.std()) == pytest.approx(float(b.std()), abs=0.012)


def test_arrays_and_tensors_are_copied_whatever_they_lie_in() -> None:
    nested = {"a": [np.arange(3.0), (np.float32(2), 1)], "b": {"c": np.array(True)}, "d": None, "e": "text"}
    tensors = to_torch(nested)
    assert isinstance(tensors["a"][0], torch.Tensor)
    assert (tensors["a"][1][0].dtype, tensors["a"][1][1], tensors["d"], tensors["e"]) == (torch.float32, 1, None, "text")
    assert same(to_numpy(tensors), nested)
    tensors["a"][0] += 1
    back = to_numpy(tensors)
    tensors["a"][0] += 1
    assert (nested["a"][0].tolist(), back["a"][0].tolist()) == ([0, 1, 2], [1, 2, 3])  # type: ignore[index]
