"""Noise that both sides draw alike, and the arrays that go to and fro between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import manual.nn
import manual.noise
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.noise import SHARED, SharedNoise, put, share_hand, share_torch
from tests.helpers import same, where_there_is_cuda
from torch_impl.noise import Noise, Uniform


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
    assert len({draw(call=call).tobytes() for call in range(4)}) == 4


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


class NoisyByHand(manual.module.Module):
    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.noise = manual.noise.Noise(rng=np.random.default_rng(0), dtype=dtype)
        self.uniform = manual.noise.Uniform(rng=np.random.default_rng(0), dtype=dtype)


class NoisyInTorch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.noise = Noise()
        self.uniform = Uniform()


KINDS = ["noise", "uniform"]


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_draw_the_same_numbers_in_the_models_dtype(kind: str, dtype: str, shape: tuple[int, ...]) -> None:
    ours, theirs = NoisyByHand(dtype), NoisyInTorch().to(getattr(torch, dtype))
    noises = SharedNoise(7), SharedNoise(7)
    share_hand(ours, noises[0]), share_torch(theirs, noises[1])
    drawn = []
    for micro_batch in (0, 0, 1):
        for noise in noises:
            noise.begin(micro_batch)
        for _ in range(2):
            a, b = getattr(ours, kind)(shape), getattr(theirs, kind)(shape)
            assert (a.dtype, a.shape) == (np.dtype(dtype), shape)
            assert same(a, b)
            drawn.append(a)
    assert same(drawn[:2], drawn[2:4])  # the same micro-batch: the same numbers
    if drawn[0].size:
        assert len({a.tobytes() for a in drawn[2:]}) == 4  # else other numbers, in each draw and in each micro-batch


def test_noise_is_swapped_by_name_and_put_back_and_has_no_key_in_the_state_dict() -> None:
    net = NoisyInTorch().double()
    keys = ["linear.weight", "linear.bias"]
    assert list(net.state_dict()) == keys
    before = {"noise": net.noise, "uniform": net.uniform}
    originals = share_torch(net, SharedNoise(0))
    assert originals == before
    for kind, original in before.items():
        assert type(getattr(net, kind)) is SHARED[type(original)]
    assert list(net.state_dict()) == keys
    assert net.float().noise((2,)).dtype is net.uniform((2,)).dtype is torch.float32  # they still go where the model goes
    put(net, originals)
    assert {"noise": net.noise, "uniform": net.uniform} == before


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_a_uniform_number_that_is_rounded_stays_below_one(dtype: str) -> None:
    """What float64 has just below 1, a narrower dtype would round up to it."""
    ours, theirs = NoisyByHand(dtype), NoisyInTorch().to(getattr(torch, dtype))
    just_below = np.nextafter(1.0, 0.0)
    rng: Any = type("Rng", (), {"random": staticmethod(lambda shape: np.array([0.0, 0.25, just_below]))})()
    share_torch(theirs, SharedNoise(0))
    ours.uniform.rng = theirs.uniform.stream = rng
    assert same(ours.uniform((3,)), theirs.uniform((3,)))
    assert ours.uniform((3,)).tolist() == [0.0, 0.25, float(np.nextafter(np.dtype(dtype).type(1), np.dtype(dtype).type(0)))]


@pytest.mark.parametrize("device", ["cpu", *where_there_is_cuda(["cuda"])])
def test_noise_is_drawn_in_the_dtype_and_on_the_device_of_the_model(device: str) -> None:
    net = NoisyInTorch().to(device, torch.float64)
    for _ in range(2):  # first torch's own noise, then shared noise
        for drawn in (net.noise((2, 3)), net.uniform((2, 3))):
            assert (drawn.dtype, drawn.device.type) == (torch.float64, device)
        share_torch(net, SharedNoise(0))


def test_noise_is_standard_normal_on_both_sides() -> None:
    """Mean, variance and fourth power of 200,000 numbers: 0, 1 and 3, each within five standard errors."""
    for x in (manual.noise.Noise(rng=np.random.default_rng(0))((200_000,)), to_numpy(Noise()((200_000,)))):
        for power, wanted, std in ((1, 0, 1), (2, 1, 2**0.5), (4, 3, 96**0.5)):
            assert abs((x.astype(float) ** power).mean() - wanted) < 5 * std / len(x) ** 0.5


def test_uniform_numbers_are_uniform_on_both_sides() -> None:
    """Of 200,000 numbers a tenth lies in each tenth, within five standard deviations; none is 1."""
    for x in (manual.noise.Uniform(rng=np.random.default_rng(0))((200_000,)), to_numpy(Uniform()((200_000,)))):
        assert (x.min() >= 0, x.max() < 1) == (True, True)
        assert np.all(np.abs(np.bincount((10 * x).astype(int), minlength=10) - 20_000) < 5 * 18_000**0.5)


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


def test_a_stream_that_is_asked_for_late_begins_at_the_micro_batch_that_has_begun() -> None:
    """As the other processes' streams are, in the first step of a resumed run."""
    early, late = SharedNoise(1, rank=1), SharedNoise(1, rank=1)
    early.stream("dropout")
    for noise in (early, late):
        noise.begin(31)
    assert np.array_equal(early.stream("dropout").random(4), late.stream("dropout").random(4))
