"""Tensors that have two names and two orientations: weights, gradients, what optimizers remember and checkpoints, both ways."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import experiments
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.judge.compare import error, errors
from experiments.judge.convert import load_in_torch, read_checkpoint, to_numpy, to_torch, weights_by_hand, write_checkpoint
from experiments.judge.naming import Move, layout
from experiments.lockstep.checks import one_step, trajectory
from experiments.pair import Twin
from manual.concept import StraightLine
from manual.module import Parameter
from manual.trainer import Trainer
from tests.helpers import SILENT, broken, command, configured, fit, same, scalars, undrawn, use
from torch_impl.module import Concept

HIDDEN = experiments.twin("hidden_layer")


# ---- a pair whose parameters come in another order, too ------------------------------------------------


class ByHand(StraightLine):
    """3 → hidden → 2, tanh, mean squared error; x (N, 3), y (N, 2). Nothing is square."""

    def __init__(self, hidden: int = 4, lr: float = 0.1, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__(forward, loss, backward)
        self.lr, rng = lr, rng or np.random.default_rng()
        for name, shape in (("U", (3, hidden)), ("c", (hidden,)), ("V", (hidden, 2)), ("d", (2,))):
            setattr(self, name, Parameter(rng.normal(size=shape).astype(dtype)))

    def configure_optimizers(self) -> Any:
        import manual.optim

        return manual.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)


def forward(x: Any, U: Any, c: Any, V: Any, d: Any) -> Any:
    h = np.tanh(x @ U + c)  # (N, hidden)
    return {"h": h, "y_hat": h @ V + d}


def loss(y_hat: Any, y: Any) -> Any:
    return ((y_hat - y) ** 2).mean()


def backward(x: Any, y: Any, h: Any, y_hat: Any, U: Any, c: Any, V: Any, d: Any) -> Any:
    dL_dy_hat = 2 * (y_hat - y) / y.size
    dL_dh = dL_dy_hat @ V.T
    dL_dz = dL_dh * (1 - h**2)
    return {"y_hat": dL_dy_hat, "V": h.T @ dL_dy_hat, "d": dL_dy_hat.sum(axis=0), "h": dL_dh, "U": x.T @ dL_dz, "c": dL_dz.sum(axis=0)}


class InTorch(Concept):
    """The same, whose output layer is declared first."""

    def __init__(self, hidden: int = 4, lr: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.last = torch.nn.Linear(hidden, 2)
        self.first = torch.nn.Sequential(torch.nn.Linear(3, hidden), torch.nn.Tanh())
        self.loss = torch.nn.MSELoss()

    def forward(self, x: Any) -> Any:
        return self.last(self.first(x))

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = self.loss(self(batch[0]), batch[1])
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("loss/val", self.loss(self(batch[0]), batch[1]), batch_size=len(batch[0]))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)


class Data(ArrayData):
    """60 random rows, 11 of them held out."""

    def load(self) -> Split:
        rng = np.random.default_rng(5)
        x, y = rng.normal(size=(60, 3)), rng.normal(size=(60, 2))
        return Split((x[11:], y[11:]), (x[:11], y[:11]))


NAMES = {
    "U": "first.0.weight.T", "c": "first.0.bias", "V": "last.weight.T", "d": "last.bias", "h": "first", "y_hat": "last",
}  # fmt: skip
PAIR = Twin(
    name="hidden_layer",  # its place in the curriculum is borrowed
    manual=ByHand, torch=InTorch, data=Data, names=NAMES, data_args={"batch_size": 12}, trainer={"max_epochs": 4},
)  # fmt: skip

OPTIMIZERS: dict[str, Callable[[Any, Any], Any]] = {
    "momentum": lambda optim, p: optim.SGD(p, lr=0.05, momentum=0.9),
    "Adam": lambda optim, p: optim.Adam(p, lr=0.02, weight_decay=0.1, amsgrad=True),
    "Rprop": lambda optim, p: optim.Rprop(p, lr=0.01),
    "LBFGS": lambda optim, p: optim.LBFGS(p, lr=0.3, max_iter=4, history_size=3),
}


def having(optimizer: str) -> Twin:
    return configured(PAIR, OPTIMIZERS[optimizer])


every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)


# ---- weights, gradients, values ------------------------------------------------------------------------


def test_weights_go_over_and_come_back_and_the_matrices_are_turned() -> None:
    ours, theirs = PAIR.build(seed=1)
    assert [n for n, _ in theirs.named_parameters()] == ["last.weight", "last.bias", "first.0.weight", "first.0.bias"]
    assert np.array_equal(ours.U.data, theirs.first[0].weight.detach().numpy().T)
    assert np.array_equal(ours.d.data, theirs.last.bias.detach().numpy())
    assert ours.U.data.flags.c_contiguous
    changed = {name: a + i for i, (name, a) in enumerate(ours.state_dict().items())}
    load_in_torch(PAIR.naming, theirs, changed)
    assert same(weights_by_hand(PAIR.naming, theirs), changed)
    assert theirs.first[0].weight.shape == (4, 3)
    assert theirs.first[0].weight.is_contiguous()
    batch = PAIR.make_data().split.val
    ours.load_state_dict(changed)
    assert error(ours(batch[0]), theirs(to_torch(batch[0]))) < 1e-14


def test_frozen_parameters_are_frozen_under_their_other_name_also_where_nothing_is_recorded() -> None:
    _, theirs = PAIR.build()
    theirs.first[0].weight.requires_grad_(False)
    with torch.no_grad():
        ours = PAIR.by_hand(theirs)
    assert {name: p.requires_grad for name, p in ours.named_parameters()} == {"U": False, "c": True, "V": True, "d": True}
    again = PAIR.in_torch(theirs)
    assert not again.first[0].weight.requires_grad
    assert again.last.weight.requires_grad

    class Frozen(InTorch):
        def __init__(self, hidden: int = 4, lr: float = 0.1) -> None:
            super().__init__(hidden, lr)
            self.first[0].weight.requires_grad_(False)

    lockstep, _ = fit(replace(PAIR, torch=Frozen), 9, data=PAIR.make_data())
    assert lockstep.judge.failure is None
    assert set(lockstep.frozen) == {"U"}
    assert "U" not in lockstep.judge.worst["gradient"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_everything_is_compared_under_the_hands_names(dtype: str) -> None:
    options: Any = Namespace(seed=2, dtype=dtype, device="cpu", steps=12)
    for judge, _ in (one_step(PAIR, None, options), trajectory(PAIR, None, options), trajectory(PAIR, None, options, sgd=0.05)):
        assert judge.failure is None
        assert set(judge.worst["gradient"]) == {"U", "c", "V", "d"}
    judge, _ = one_step(PAIR, None, options)
    assert set(judge.worst["intermediate"]) == {"h", "y_hat", "dL_dh", "dL_dy_hat"}


@pytest.mark.parametrize("settings", [{"gradient_clip_val": 0.05}, {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
                                      {"accumulate_grad_batches": 3}])  # fmt: skip
def test_clipped_and_accumulated_gradients_agree(settings: dict[str, Any]) -> None:
    lockstep, _ = fit(PAIR, 8, data=PAIR.make_data(), **settings)
    assert lockstep.judge.failure is None
    assert lockstep.judge.steps == 8


# ---- what is wrong is still found, and explained -------------------------------------------------------


def doubled(name: str) -> Callable[[Any], None]:
    def break_(model: Any) -> None:
        forward, loss, right = model.functions

        def wrong(x: Any, y: Any, **values: Any) -> Any:
            found = right(x, y, **values)
            return {**found, name: 2 * found[name]}

        model.functions = forward, loss, wrong

    return break_


def test_a_wrong_gradient_by_hand_is_named_and_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, undrawn(broken(HIDDEN, doubled("W1"))))
    status, _, err = command("check", "hidden_layer", "--steps", "2")
    assert status == DISAGREE
    assert "10 of 11 tensors are right. The first wrong one is gradient of W1: it is 2 times torch's." in err
    status, out, _ = command("run", "hidden_layer", "--trainer.max_epochs", "2", "--trainer.default_root_dir", str(tmp_path))
    assert status == DISAGREE
    assert "First at step 0: gradient W1 differs by 1.0e+00" in out


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"U": "first.0.weight"}, r"U has shape \(3, 4\) by hand, but first\.0\.weight has \(4, 3\) in torch"),
        ({"U": "last.weight.T"}, r"U has shape \(3, 4\) by hand, but last\.weight has \(2, 4\) in torch and is transposed"),
        ({"U": "first.weight.T"}, r"U is said to be first\.weight, but torch's tensors are last\.weight, last\.bias, first\.0\.weight"),
        ({"c": "first.0.bias.T"}, r"first\.0\.bias has shape \(4,\): only what has two axes is transposed, leave the \.T out"),
        ({"u": "first.0.weight.T"}, "ByHand by hand has neither a parameter nor a value u"),
        ({"h": "firsst"}, r"h is a value by hand, so firsst must be a module of torch, which it is not"),
        ({"h": "first.T"}, r"h is a value by hand, so first\.T must be a module of torch, which it is not"),
        ({"h": "first.0.bias"}, r"h is a value by hand, so first\.0\.bias must be a module"),
    ],
)
def test_names_that_do_not_exist_and_shapes_that_do_not_fit_are_refused(names: dict[str, str], told: str) -> None:
    kept = {hand: name for hand, name in NAMES.items() if hand not in names and name not in names.values()}
    with pytest.raises(ValueError, match=f"names: {told}"):
        replace(PAIR, names={**names, **kept}).build()


def test_two_names_for_one_tensor_and_a_tensor_without_a_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"names: U and V are both said to be first\.0\.weight in torch"):
        Twin(name="hidden_layer", manual=ByHand, torch=InTorch, data=Data, names={"U": "first.0.weight.T", "V": "first.0.weight.T"})
    with pytest.raises(ValueError, match=r"missing d; surplus last\.bias"):
        replace(PAIR, names={hand: name for hand, name in NAMES.items() if hand != "d"}).build()
    with pytest.raises(ValueError, match=r"names: U is called first\.0\.weight on this side"):
        PAIR.naming.by_hand({"U": np.ones((3, 4))})


def test_a_mapping_to_the_wrong_tensor_of_the_right_shape_is_a_disagreement() -> None:
    class Twice(InTorch):
        """hidden = 3, which makes two weights of one shape: a second one stands in the first one's place."""

        def __init__(self, hidden: int = 3, lr: float = 0.1) -> None:
            super().__init__(3, lr)
            self.unused = torch.nn.Linear(3, 3)

    class Spare(ByHand):
        def __init__(self, hidden: int = 3, lr: float = 0.1, **rest: Any) -> None:
            super().__init__(3, lr, **rest)
            self.W = Parameter(self.U.data * 0)
            self.e = Parameter(self.c.data * 0)

        def arrays(self) -> dict[str, Any]:
            return {name: a for name, a in super().arrays().items() if name not in "We"}

    names = {**NAMES, "W": "first.0.weight.T", "U": "unused.weight.T", "e": "unused.bias"}
    judge, _ = one_step(replace(PAIR, manual=Spare, torch=Twice, names=names), None, Namespace(seed=0, dtype="float64", device="cpu"))
    assert judge.failure is not None


# ---- what optimizers remember --------------------------------------------------------------------------


@every_optimizer
@pytest.mark.parametrize("mode", ["free", "spot"])
def test_state_agrees_at_every_step_and_is_copied_over(optimizer: str, mode: str) -> None:
    spot = {"mode": "spot", "every_n_steps": 3} if mode == "spot" else {}
    lockstep, theirs = fit(having(optimizer), 13, data=PAIR.make_data(), lockstep=spot)
    assert lockstep.judge.failure is None
    assert lockstep.judge.steps == (5 if spot else 13)
    keys = {name.partition(".")[2] for name in lockstep.judge.worst["state"]}
    assert {"momentum": "momentum_buffer", "Adam": "max_exp_avg_sq", "Rprop": "prev", "LBFGS": "old_dirs"}[optimizer] in keys
    assert lockstep.in_torch is not None
    weights, states, gradients = lockstep.in_torch.copies()
    run = lockstep.hand
    run.load(weights, states, gradients)
    own = run.trainer.optimizer.state_dict()["state"]
    theirs_state = theirs.trainer.optimizers[0].state_dict()["state"]
    if optimizer == "LBFGS":
        flat = theirs_state[0]["d"]  # last.weight (2, 4), last.bias (2,), first.0.weight (4, 3), first.0.bias (4,)
        V, d, U, c = flat[:8].reshape(2, 4).T, flat[8:10], flat[10:22].reshape(4, 3).T, flat[22:]
        assert np.array_equal(own[0]["d"], np.concatenate([to_numpy(t).ravel() for t in (U, c, V, d)]))
    else:
        key = {"momentum": "momentum_buffer", "Adam": "exp_avg", "Rprop": "step_size"}[optimizer]
        assert np.array_equal(own[0][key], to_numpy(theirs_state[2][key]).T)  # U is the third of torch's, the first by hand
        assert np.array_equal(own[3][key], to_numpy(theirs_state[1][key]))


@every_optimizer
def test_state_that_is_copied_over_wrongly_is_found(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = Move.state
    monkeypatch.setattr(
        Move, "state",
        lambda self, state: {
            name: {key: -value if np.ndim(value) and not isinstance(value, list) else value for key, value in of.items()}
            for name, of in moved(self, state).items()
        },
    )  # fmt: skip
    assert fit(having(optimizer), 4, data=PAIR.make_data())[0].judge.failure is not None


@every_optimizer
def test_there_and_back_again_nothing_has_changed(optimizer: str) -> None:
    lockstep, theirs = fit(having(optimizer), 6, data=PAIR.make_data())
    (torchs,), hand = theirs.trainer.optimizers, lockstep.hand
    names = {p: name for name, p in theirs.named_parameters()}
    state = to_numpy({names[p]: s for p, s in torchs.state.items()})
    there = PAIR.naming.state_by_hand(state, layout(theirs, torchs), hand.layouts[0])
    assert same(PAIR.naming.state_in_torch(there, hand.layouts[0], layout(theirs, torchs)), state)


# ---- checkpoints ---------------------------------------------------------------------------------------


def saved(twin: Twin, path: Path, steps: int = 5) -> Any:
    """The module after a few steps in float64, without a hand-written side; its checkpoint is at `path`."""
    _, theirs = twin.build(seed=3)
    trainer = pl.Trainer(max_steps=steps, precision="64-true", limit_val_batches=0, **SILENT)
    trainer.fit(theirs, twin.make_data())
    trainer.save_checkpoint(path)
    return theirs


@every_optimizer
def test_a_checkpoint_is_read_by_hand_and_training_goes_on_as_in_torch(optimizer: str, tmp_path: Path) -> None:
    twin, path = having(optimizer), tmp_path / "torch.ckpt"
    theirs = saved(twin, path)
    found = read_checkpoint(path, twin)
    ours = twin.by_hand(twin.torch())
    ours.load_state_dict(found["model"])
    trainer = Trainer()
    trainer.attach(ours)
    trainer.optimizer.load_state_dict(found["optimizer"])
    again, batch = twin.torch.load_from_checkpoint(path, weights_only=True).double(), twin.make_data().split.val
    again.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    torchs = again.configure_optimizers()
    torchs.load_state_dict(torch.load(path, weights_only=True)["optimizer_states"][0])
    assert max(errors(ours.state_dict(), weights_by_hand(twin.naming, theirs)).values()) == 0

    def closure() -> Any:
        torchs.zero_grad()
        loss = again.training_step(to_torch(batch), 0)
        loss.backward()
        return loss

    for _ in range(4):
        trainer.train_batch(batch, 0, is_last=True)
        with torch.enable_grad():
            torchs.step(closure)
    assert max(errors(ours.state_dict(), weights_by_hand(twin.naming, again)).values()) < 1e-12


@every_optimizer
def test_what_was_read_is_written_again_to_the_last_bit(optimizer: str, tmp_path: Path) -> None:
    twin, path, new = having(optimizer), tmp_path / "torch.ckpt", tmp_path / "new.ckpt"
    saved(twin, path)
    found = read_checkpoint(path, twin)
    write_checkpoint(new, path, found["model"], found["optimizer"], twin)
    before, after = (torch.load(p, weights_only=True) for p in (path, new))
    assert same(dict(before["state_dict"]), dict(after["state_dict"]))
    assert same(before["optimizer_states"], after["optimizer_states"])
    assert all(t.is_contiguous() for t in after["state_dict"].values())


def test_state_of_more_parameters_than_the_optimizer_has_is_refused(tmp_path: Path) -> None:
    saved(PAIR, tmp_path / "a.ckpt")
    checkpoint = torch.load(tmp_path / "a.ckpt", weights_only=True)
    checkpoint["optimizer_states"][0]["state"][4] = {}
    torch.save(checkpoint, tmp_path / "b.ckpt")
    with pytest.raises(ValueError, match=r"state of the parameters \[4\]: the twin's own optimizer has 4"):
        read_checkpoint(tmp_path / "b.ckpt", PAIR)


@pytest.mark.parametrize("optimizer", ["Adam", "LBFGS"])
def test_a_resumed_run_is_the_whole_one_to_the_last_bit(optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, having(optimizer))

    def run(folder: str, *options: str) -> int:
        return command("run", "hidden_layer", "--trainer.default_root_dir", str(tmp_path / folder), *options)[0]

    assert run("whole", "--trainer.max_epochs", "6") == AGREE
    assert run("parts", "--trainer.max_epochs", "3") == AGREE
    ends = [tmp_path / folder / "hidden_layer" / "version_0" for folder in ("whole", "parts")]
    assert run("parts", "--ckpt_path", str(ends[1] / "checkpoints" / "last.ckpt"), "--trainer.max_epochs", "6") == AGREE
    whole, parts = (torch.load(end / "checkpoints" / "last.ckpt", weights_only=True) for end in ends)
    for key in ("state_dict", "optimizer_states"):
        assert same(whole[key], parts[key])
    hands = [checkpoint["callbacks"]["LockStep"]["runs"][0] for checkpoint in (whole, parts)]  # a shadow begins again where it is resumed
    assert same(*hands)


def test_a_checkpoint_with_the_hands_names_is_no_checkpoint_of_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, PAIR)
    assert command("run", "hidden_layer", "--trainer.default_root_dir", str(tmp_path), "--trainer.max_epochs", "1")[0] == AGREE
    path = tmp_path / "hidden_layer" / "version_0" / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"] = PAIR.naming.by_hand(checkpoint["state_dict"])
    torch.save(checkpoint, path)
    status, _, err = command("run", "hidden_layer", "--ckpt_path", str(path))
    assert status == BAD_INPUT
    assert "names: V is called last.weight on this side, d is called last.bias" in err
    assert len(err.splitlines()) == 1


# ---- what is logged, and what cannot be compared -------------------------------------------------------


def test_both_sides_log_histograms_under_the_same_tags(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    status, _, _ = command("run", "hidden_layer", "--trainer.max_epochs", "3", "--trainer.default_root_dir", str(tmp_path))
    assert status == AGREE
    found = {}
    for side in ("manual", "torch"):
        folder = tmp_path / "hidden_layer" / "version_0" / side
        events = EventAccumulator(str(folder))
        events.Reload()
        found[side] = {tag: [h.histogram_value.sum for h in events.Histograms(tag)] for tag in events.Tags()["histograms"]}
        assert scalars(folder)["loss/train"]
    wanted = {f"{of}/{name}" for of in ("weights", "gradients") for name in ("W1", "b1", "W2", "b2")}
    assert set(found["manual"]) == set(found["torch"]) == wanted
    for tag, sums in found["manual"].items():
        assert sums == pytest.approx(found["torch"][tag], rel=1e-9, abs=1e-12)


class FlatByHand(StraightLine):
    """y = x W without a bias, by Muon."""

    def __init__(self, rule: str | None = None, *, rng: Any = None, dtype: Any = np.float64) -> None:
        super().__init__(lambda x, W: {"y_hat": x @ W}, loss, lambda x, y, y_hat, W: {"W": x.T @ (2 * (y_hat - y) / y.size)})
        self.rule, self.W = rule, Parameter(np.zeros((3, 2), dtype))

    def configure_optimizers(self) -> Any:
        import manual.optim

        return manual.optim.Muon(self.parameters(), lr=0.01, adjust_lr_fn=self.rule)


class FlatInTorch(InTorch):
    """The same."""

    def __init__(self, rule: str | None = None) -> None:
        super().__init__()
        self.save_hyperparameters()
        del self.first, self.last
        self.rule, self.linear = rule, torch.nn.Linear(3, 2, bias=False)

    def forward(self, x: Any) -> Any:
        return self.linear(x)

    def configure_optimizers(self) -> Any:
        return torch.optim.Muon(self.parameters(), lr=0.01, adjust_lr_fn=self.rule)


MUON = replace(PAIR, manual=FlatByHand, torch=FlatInTorch, names={"W": "linear.weight.T", "y_hat": "linear"})


@pytest.mark.parametrize("rule", [None, "original"])
def test_a_step_of_muon_whose_length_depends_on_the_side_is_refused_by_name(
    rule: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    twin = replace(MUON, model={"rule": rule})
    told = r"Muon takes a step of another length for a transposed matrix, and W is \(3, 2\) by hand and \(2, 3\) in torch"
    with pytest.raises(InputError, match=told):
        fit(twin, 1, data=PAIR.make_data())
    use(monkeypatch, twin)
    status, _, err = command("run", "hidden_layer", "--trainer.default_root_dir", str(tmp_path / "runs"))
    assert status == BAD_INPUT
    assert "set its adjust_lr_fn to match_rms_adamw" in err
    assert not (tmp_path / "runs").exists()


def test_a_step_of_muon_that_looks_at_the_longer_side_alone_is_the_same_for_both() -> None:
    lockstep, _ = fit(replace(MUON, model={"rule": "match_rms_adamw"}), 2, data=PAIR.make_data())
    assert lockstep.judge.failure is None
    assert lockstep.judge.steps == 2


@every_optimizer
def test_without_a_hand_written_optimizer_state_keeps_torchs_order(optimizer: str) -> None:
    """As in all processes but the first, which has no hand-written side."""
    _, theirs = fit(having(optimizer), 3, data=PAIR.make_data())
    (torchs,) = theirs.trainer.optimizers
    names = {p: name for name, p in theirs.named_parameters()}
    state = {names[p]: s for p, s in torchs.state.items()}
    alone = PAIR.naming.state_by_hand(state, layout(theirs, torchs))
    if optimizer == "LBFGS":
        assert list(alone) == ["V"]
        flat = to_numpy(state["last.weight"]["d"])
        assert np.array_equal(
            alone["V"]["d"], np.concatenate([flat[:8].reshape(2, 4).T.ravel(), flat[8:10], flat[10:22].reshape(4, 3).T.ravel(), flat[22:]])
        )
    else:
        assert list(alone) == ["V", "d", "U", "c"]
        assert alone["U"].keys() == state["first.0.weight"].keys()
        assert all(np.shape(value) in ((), (3, 4)) for value in alone["U"].values() if value is not None)
