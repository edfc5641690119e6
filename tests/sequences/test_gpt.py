"""GPT-2 by hand: its gradients, its start, its writing, those who count, and the transformers library's own model."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.arrays import Split
from experiments.data.text import Text
from experiments.drawing.interactive import picked
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import gpt as script
from experiments.sequences.gpt import TWIN
from manual.module import no_grad
from manual.nn.functional import softmax
from manual.sequences import gpt as by_hand
from manual.serialization import load_safetensors
from tests.helpers import finished, python, whole_run
from torch_impl.sequences import gpt as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])
TINY: dict[str, Any] = {"vocabulary": "abcdefg", "n_positions": 6, "n_embd": 8, "n_head": 2, "n_layer": 2, "sample": 9, "prompt": "ab"}


def pair(seed: int = 0, **sizes: Any) -> tuple[Any, Any]:
    """Both sides at the same random weights, none of them near 0."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        theirs = in_torch.GPT(**{**TINY, **sizes}).double()
        for p in theirs.parameters():
            p.data += 0.3 * torch.randn_like(p)
    ours = by_hand.GPT(**{**TINY, **sizes}, rng=np.random.default_rng(0))
    ours.load_state_dict({name: p.numpy() for name, p in theirs.state_dict().items()})
    return ours, theirs


def text(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 7, shape)


# ---- the network ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [{}, {"n_head": 1, "n_layer": 1}])
def test_gradient_is_that_of_autograd_and_of_central_differences(sizes: dict[str, int]) -> None:
    ours, theirs = pair(**sizes)
    check_grads(ours, (text(1, 3, 5), text(2, 3, 5)), torch=theirs)


def test_no_place_sees_what_comes_after_it() -> None:
    ours, _ = pair()
    x, other = text(3, 2, 6), text(3, 2, 6)
    other[:, 4:] = (other[:, 4:] + 1) % 7
    with no_grad():
        assert error(ours(other)[:, :4], ours(x)[:, :4]) < 1e-15
        assert np.abs(ours(other)[:, 4:] - ours(x)[:, 4:]).max() > 0.1


@SIDES
def test_weights_begin_as_gpt_2s_do(side: Any) -> None:
    torch.manual_seed(0)
    more = {"rng": np.random.default_rng(0)} if side is by_hand else {}
    model = side.GPT(n_embd=64, n_layer=3, **more)
    for name, p in model.named_parameters():
        values = np.asarray(p.detach() if side is in_torch else p.data)
        if values.ndim == 2:
            std = 0.02 / math.sqrt(6) if name.endswith("c_proj.weight") else 0.02
            assert abs(values.std() / std - 1) < 0.05, name
            assert abs(values.mean()) < 4 * std / math.sqrt(values.size), name
        else:
            assert set(values.ravel()) == {0.0 if name.endswith("bias") else 1.0}, name


def test_gradient_of_the_table_is_the_sum_of_its_two_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pair()
    data = Text(characters=700, window=6)
    data.use(Split((text(1, 16, 6), text(2, 16, 6)), ()))
    parts = script.of_the_table(Trained(ours, None, data, (), {}, True))
    monkeypatch.setattr(in_torch, "scores", lambda x, table: x @ table.detach().T)
    theirs.training_step(tuple(map(torch.from_numpy, data.split.train)), 0).backward()
    way_in = theirs.wte.weight.grad.numpy()
    assert parts["on the way in"] == pytest.approx(float(np.linalg.norm(way_in)), rel=1e-12)
    assert parts["on the way out"] == pytest.approx(float(np.linalg.norm(ours.wte.weight.grad - way_in)), rel=1e-12)


@SIDES
@pytest.mark.parametrize("wrong", [{"n_head": 3}, {"warmup": 0}, {"warmup": 1200}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=rf"GPT: n_head must divide n_embd, and warmup .* got .*{next(iter(wrong.values()))}"):
        side.GPT(**wrong)


@SIDES
def test_step_size_rises_falls_and_stays(side: Any) -> None:
    found = side.GPT(**TINY, lr=0.5, warmup=4, steps=12).configure_optimizers()
    optimizer, schedule = found["optimizer"], found["lr_scheduler"]["scheduler"]
    lrs = []
    for _ in range(14):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    wanted = [0.5 * (0.25 + 0.75 * k / 4) for k in range(4)] + [0.05 + 0.45 * (1 + math.cos(math.pi * k / 8)) / 2 for k in range(9)]
    np.testing.assert_allclose(lrs[:13], wanted, rtol=1e-12)
    assert found["lr_scheduler"]["interval"] == "step"


# ---- writing -------------------------------------------------------------------------------------


def test_each_token_is_drawn_with_its_own_probability_and_sees_the_last_places() -> None:
    ours, theirs = pair()
    u = np.random.default_rng(4).random(9)
    with no_grad(), torch.no_grad():
        tokens, p = by_hand.continued(ours, [0, 1], u)
        tokens_torch, p_torch = in_torch.continued(theirs, torch.tensor([0, 1]), torch.from_numpy(u))
        assert tokens == tokens_torch.tolist()
        assert error(p, p_torch) < 1e-13
        for i, number in enumerate(u):
            seen = np.array([tokens[: 2 + i][-6:]])
            each = softmax(ours(seen))[0, -1]
            assert np.searchsorted(np.cumsum(each), number, side="right") == tokens[2 + i]
            assert p[i] == each[tokens[2 + i]]


def test_text_of_both_sides_is_the_same_and_is_logged() -> None:
    ours, theirs = pair()
    share_hand(ours, SharedNoise(3)), share_torch(theirs, SharedNoise(3))
    texts, logged = {}, {}
    theirs.log_text, theirs.log = texts.__setitem__, lambda name, value, **_: logged.update({name: float(value)})
    with no_grad(), torch.no_grad():
        by_hand.write(ours), in_torch.write(theirs)
    assert ours.texts == texts
    assert len(texts["sample"]) == 11
    assert texts["sample"].startswith("ab")
    assert ours.logged["sample/val"][0] == pytest.approx(logged["sample/val"], rel=1e-12)


# ---- those who count -----------------------------------------------------------------------------


def counted(seen: list[int], h: tuple[int, ...], w: int, symbols: int) -> float:
    """Witten and Bell's probability of w after h, one count at a time; the first LONGEST − 1 tokens are context only."""
    follows = [seen[i] for i in range(script.LONGEST - 1, len(seen)) if tuple(seen[i - len(h) : i]) == h]
    shorter = counted(seen, h[1:], w, symbols) if h else 1 / symbols
    if not follows:
        return shorter
    return (follows.count(w) + len(set(follows)) * shorter) / (len(follows) + len(set(follows)))


def test_n_grams_are_those_that_are_counted_one_by_one() -> None:
    rng = np.random.default_rng(0)
    seen, asked = rng.integers(0, 4, 120), rng.integers(0, 5, 30)
    found = script.witten_bell(seen, asked, 5)
    for n, p in enumerate(found):
        for i in range(script.LONGEST - 1, len(asked)):
            h = tuple(int(t) for t in asked[i - n : i])
            assert p[i - script.LONGEST + 1] == pytest.approx(counted(seen.tolist(), h, int(asked[i]), 5), rel=1e-12)


def test_n_grams_are_distributions() -> None:
    seen, h = np.random.default_rng(1).integers(0, 3, 80), np.random.default_rng(2).integers(0, 3, script.LONGEST - 1)
    each = [script.witten_bell(seen, np.array([*h, w]), 4) for w in range(4)]
    for n in range(script.LONGEST):
        assert sum(float(p[n][0]) for p in each) == pytest.approx(1, rel=1e-12)


@pytest.mark.long
def test_whoever_has_counted_more_is_surprised_less_until_there_is_too_little_to_count() -> None:
    found = script.judged(Text())
    bits = [found[f"{n}-gram"] for n in range(1, 7)]
    assert bits[:5] == sorted(bits[:5], reverse=True)
    assert 1.7 < bits[4] < 2.1
    assert 4 < bits[0] < math.log2(Text().symbols)
    assert 1.5 < found["zlib"] < 2.5


# ---- a run ---------------------------------------------------------------------------------------


@cache
def run() -> Trained:
    """A model and a text for seconds."""
    return trained(replace(TWIN.having(script.SHORT, {**script.FEW, "characters": 24_000}), trainer={**TWIN.trainer, "max_epochs": 2}))


def test_run_agrees_learns_and_writes() -> None:
    assert run().agree
    assert len(run().losses) == 2 * math.ceil(((21_600 - 1) // 32) / 16)
    assert run().losses[0] / math.log(2) == pytest.approx(math.log2(run().data.symbols), abs=0.15)
    assert run().metrics["bits/val"] < run().losses[0] / math.log(2) - 1.5
    assert run().metrics["bits/val"] == pytest.approx(run().metrics["loss/val"] / math.log(2), rel=1e-12)
    ours, theirs = (script.surprise(model, run().data).mean() for model in (run().manual, run().torch))
    assert ours == pytest.approx(run().metrics["bits/val"], rel=1e-9)  # 74 windows: all of them
    assert ours == pytest.approx(theirs, rel=1e-8)
    better = replace(run(), metrics={"bits/val": script.judged(run().data)["3-gram"] - 0.001})
    assert script.beaten(better) == [
        f"{n}-gram" for n in range(1, 7) if script.judged(run().data)[f"{n}-gram"] > better.metrics["bits/val"]
    ]
    assert {"1-gram", "3-gram"} <= set(script.beaten(better))
    assert f"{run().metrics['bits/val']:.2f} bits" in script.learned(run())


def test_a_wrong_text_is_a_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    right = by_hand.continued
    monkeypatch.setattr(by_hand, "continued", lambda model, tokens, u: right(model, tokens, 1 - u))
    small = replace(TWIN.having({**script.SHORT, "warmup": 1, "n_embd": 8}, {"window": 8, "characters": 3000}), trainer={"max_epochs": 1})
    lockstep, _ = whole_run(small)
    assert not lockstep.judge.passed
    assert "sample/val" in str(lockstep.judge.failure)


def test_figures_show_both_sides_and_every_head() -> None:
    drawn = script.figures(run().manual, run().torch, run().data)
    left, right = drawn["bits per character"].axes
    assert [label.get_text() for label in left.get_yticklabels()] == [*script.judged(run().data), "GPT"]
    theirs, ours = (line.get_ydata() for line in right.lines[:2])
    assert error(np.asarray(ours), np.asarray(theirs)) < 1e-8
    assert len(ours) == 32
    images = [ax.images[0].get_array() for ax in drawn["heads"].axes]
    assert len(images) == 2
    for image in images:
        np.testing.assert_allclose(np.asarray(image).sum(axis=1), 1, rtol=1e-12)
        assert np.triu(np.asarray(image), 1).max() == 0


# ---- the transformers library --------------------------------------------------------------------


@pytest.fixture(scope="module")
def theirs() -> Any:
    """A small GPT-2 of the transformers library, at random weights in float64."""
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        vocab_size=23, n_positions=10, n_embd=12, n_layer=3, n_head=3, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.GPT2LMHeadModel(config).double()
        for p in model.parameters():
            p.data += 0.2 * torch.randn_like(p)
    return model


@pytest.mark.library
def test_logits_loss_and_every_gradient_are_those_of_the_transformers_library(theirs: Any) -> None:
    ours = by_hand.published({name: p.numpy() for name, p in theirs.state_dict().items()}, n_head=3)
    rng = np.random.default_rng(0)
    x, target = rng.integers(0, 23, (2, 4, 10))
    z = theirs(torch.from_numpy(x)).logits
    loss = torch.nn.functional.cross_entropy(z.flatten(0, 1), torch.from_numpy(target).flatten())  # its own is rounded to float32
    theirs.zero_grad()
    loss.backward()
    with no_grad():
        assert error(ours(x), z) < 1e-12
    assert ours.training_step((x, target), 0) == pytest.approx(loss.item(), rel=1e-12)
    ours.backward()
    wanted = {name.removeprefix("transformer."): p.grad.numpy() for name, p in theirs.named_parameters()}
    found = dict(ours.named_parameters())
    assert set(found) == set(wanted)
    assert len(found) == 40
    whole = float(np.sqrt(sum((g**2).sum() for g in wanted.values())))
    for name, g in wanted.items():
        assert error(found[name].grad, g.T if name.endswith(by_hand.TURNED) else g, whole) < 1e-12, name


@pytest.mark.library
def test_published_file_writes_in_numpy_alone(theirs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    state = {name: p.numpy().astype(np.float32) for name, p in theirs.state_dict().items() if name != "lm_head.weight"}
    safetensors.save_file({**state, "transformer.h.0.attn.bias": np.tri(10)[None, None]}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"n_head": 3}), encoding="utf-8")
    (tmp_path / "vocab.json").write_text(json.dumps({c: i for i, c in enumerate(["ab", "Ġa", *"abcdefghijklmnopqrstĠ"])}), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\nĠ a\n", encoding="utf-8")
    by_hand.main(str(tmp_path), "abc ab", "12", "3")
    written = capsys.readouterr().out
    assert written.startswith("abc ab")
    again = by_hand.published(load_safetensors(tmp_path / "model.safetensors"), n_head=3, dtype=np.float32)
    with no_grad():
        tokens, _ = by_hand.continued(again, [0, 4, 22, 0], np.random.default_rng(3).random(12))
    signs = ["ab", " a", *"abcdefghijklmnopqrst "]
    assert written == "".join(signs[token] for token in tokens) + "\n"


def test_other_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no weights of a GPT-2: .* fc1\.weight"):
        by_hand.published({"fc1.weight": np.zeros((3, 2))})
    ours, _ = pair()
    state = {name: p.T if name.endswith(by_hand.TURNED) else p for name, p in ours.state_dict().items() if name != "h.1.ln_1.bias"}
    with pytest.raises(ValueError, match=r"missing h\.1\.ln_1\.bias"):
        by_hand.published(state, n_head=2)


@pytest.mark.parametrize(("arguments", "complaint"), [(("nowhere", "x"), "nowhere/config.json"), ((), "required: folder, prompt")])
def test_what_cannot_write_says_so_in_a_line(arguments: tuple[str, ...], complaint: str, tmp_path: Path) -> None:
    status, out, err = finished(python("-m", "manual.sequences.gpt", *arguments, folder=tmp_path))
    assert (status, out) == (2, "")
    assert err.startswith("usage: python -m manual.sequences.gpt")
    assert complaint in err.splitlines()[-1]


# ---- what is moved -------------------------------------------------------------------------------


def test_the_characters_light_up_as_the_head_that_is_chosen_looks() -> None:
    small = script.TWIN.having({**script.LITTLE, "n_layer": 2}, {"characters": 9000})
    data = small.make_data()
    ours, _ = small.build(0, data=data)
    ours.eval()
    for p in ours.parameters():
        p[...] *= 8  # untrained weights are so small that every head looks everywhere alike
    (picture,) = script.interactive(SimpleNamespace(manual=ours, data=data))
    blocks, heads, words = picture.data()["sliders"]
    assert (blocks["written"], heads["written"]) == (["1", "2"], ["1", "2"])
    text = "".join(words["words"]).replace("↵", "\n")
    assert text in data.held_out
    for i, block in enumerate(ours.h):
        for j, weights in enumerate(block.attn.attend.weights[0]):
            for place in (0, 5, len(text) - 1):
                found = picked(words["weights"], (i, j, place))
                np.testing.assert_allclose(found, weights[place], rtol=1e-4, atol=1e-9)
                best = int(weights[place].argmax())
                said = picture.says[0](i + 1, j + 1, place)
                assert f"gives {100 * weights[place, best]:.1f} % to {script.in_quotes(words['words'][best])}, " in said
                assert f"Block {i + 1}, head {j + 1}: {script.in_quotes(words['words'][place])} " in said
    assert script.how_far(0) == "itself"
    assert script.in_quotes(" ") == "the blank"
