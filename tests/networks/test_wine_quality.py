"""The wine network: its gradient, what it learns, and in what way the article's backward is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from sklearn.linear_model import LinearRegression

from experiments.data import wine
from experiments.data.arrays import InputError, Split, split_at_random, standardise
from experiments.data.wine import WineQuality as Wines
from experiments.data.wine import parse
from experiments.judge.central import jacobian
from experiments.judge.compare import ONE_STEP, errors
from experiments.judge.convert import load_in_torch, to_torch, weights_by_hand
from experiments.judge.differences import check_grads
from experiments.judge.look import by_autograd
from experiments.judge.naming import Naming
from experiments.lesson import Trained
from experiments.lockstep import LockStep
from experiments.networks import wine_quality as script
from experiments.networks.wine_quality import (
    ARTICLE,
    AS_IT_RAN,
    BACKWARDS,
    HOW_GOOD,
    LISTINGS,
    REPORTED,
    TWIN,
    all_wines,
    as_it_ran,
    batches,
    first_gradients,
    first_steps,
    least_squares,
    train_article,
)
from manual.networks.wine_quality import (
    ArticleWineQuality,
    WineQuality,
    article_backward,
    article_forward,
    article_start,
    backward,
    forward,
    loss,
)
from manual.trainer import Trainer
from torch_impl.networks import wine_quality as theirs

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "winequality-red.csv"
real = pytest.mark.skipif(not REAL.is_file(), reason="UCI's file is not on this machine")

Arrays = dict[str, np.ndarray]
Batch = tuple[np.ndarray, np.ndarray]


def parameters(rng: np.random.Generator, hidden: int = 7) -> Arrays:
    """Random weights of 11 → hidden → 1, no bias zero."""
    return {
        "W1": rng.normal(size=(11, hidden)),
        "b1": rng.normal(size=hidden),
        "W2": rng.normal(size=(hidden, 1)),
        "b2": rng.normal(size=1),
    }


def random_batch(rng: np.random.Generator, n: int = 5) -> Batch:
    """n wines and their scores."""
    return rng.normal(size=(n, 11)), rng.normal(5.6, 1, size=(n, 1))


def synthetic() -> Wines:
    """Random wines in place of the real ones."""
    data = Wines()
    data.use(data.stand_in())
    return data


@cache
def real_wines() -> Wines:
    return Wines(csv=str(REAL))


# ---- the gradient --------------------------------------------------------------------------------

PAIRS = {
    "ours": (forward, backward, theirs.WineQuality, TWIN.naming),
    "the article's, corrected": (
        article_forward,
        BACKWARDS["with both"],
        theirs.ArticleWineQuality,
        Naming({**TWIN.names, "z2": "network.2", "y_hat": "network.3"}),
    ),
}


@pytest.mark.parametrize("which", PAIRS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_value_and_every_gradient_is_autograds(which: str, dtype: str) -> None:
    by_hand, backward_by_hand, in_torch, naming = PAIRS[which]
    for seed in range(10):
        rng = np.random.default_rng(seed)
        weights = {name: a.astype(dtype) for name, a in parameters(rng).items()}
        x, y = (a.astype(dtype) for a in random_batch(rng))
        module = in_torch(hidden=7).to(getattr(torch, dtype))
        load_in_torch(naming, module, weights)
        values, expected = by_hand(x, **weights), by_autograd(module, to_torch((x, y)), "training_step", naming, "dL_d")
        assert [name for name in expected.values if name in values] == list(values)
        assert max(errors(values, {name: expected.values[name] for name in values}).values()) < ONE_STEP[dtype]
        assert loss(values["y_hat"], y) == pytest.approx(expected.values["loss"], rel=1e-5 if dtype == "float32" else 1e-13)
        gradient = backward_by_hand(x, y, **values, **weights)
        found = errors({name: gradient[name] for name in weights}, {name: expected.gradients[f"gradient of {name}"] for name in weights})
        assert set(found) == {"W1", "b1", "W2", "b2"}
        assert max(found.values()) < ONE_STEP[dtype]


@pytest.mark.parametrize("which", PAIRS)
def test_every_gradient_is_what_a_small_change_does_to_the_loss(which: str) -> None:
    by_hand, backward_by_hand, *_ = PAIRS[which]
    rng = np.random.default_rng(1)
    weights, (x, y) = parameters(rng), random_batch(rng)

    def slopes(name: str) -> np.ndarray:
        return jacobian(lambda moved: loss(by_hand(x, **{**weights, name: moved})["y_hat"], y), weights[name])

    numeric = {name: slopes(name) for name in weights}
    gradient = backward_by_hand(x, y, **by_hand(x, **weights), **weights)
    assert max(errors({name: gradient[name] for name in numeric}, numeric).values()) < 1e-6


def test_the_modules_gradients_add_up_over_two_batches_and_the_factor_reaches_them() -> None:
    ours, torchs = TWIN.build(seed=4)
    rng = np.random.default_rng(2)
    check_grads(ours, random_batch(rng, 5), again=random_batch(rng, 3), torch=torchs, names=TWIN.names)


def test_both_sides_begin_with_the_same_distribution() -> None:
    ours = WineQuality(hidden=3000, rng=np.random.default_rng(0)).arrays()
    for name, drawn in weights_by_hand(TWIN.naming, theirs.WineQuality(hidden=3000)).items():
        bound = (11 if name in ("W1", "b1") else 3000) ** -0.5
        for values in (ours[name], drawn):
            assert values.shape == drawn.shape
            assert np.abs(values).max() <= bound
            if values.size > 1:
                assert values.std() == pytest.approx(bound / 3**0.5, rel=0.05)


# ---- what is reported ----------------------------------------------------------------------------


def test_deviation_and_accuracy_on_both_sides() -> None:
    y_hat, y = np.array([[5.0], [6.5], [7.0], [4.25]]), np.array([[5.0], [6.0], [6.25], [5.0]])
    assert WineQuality().metrics(y_hat, y) == {"mean absolute deviation": 0.5, "accuracy within 0.5": 0.5}  # exactly 0.5 counts
    in_torch = theirs.WineQuality().metrics(torch.from_numpy(y_hat), torch.from_numpy(y))
    assert {name: float(value) for name, value in in_torch.items()} == {"mean absolute deviation": 0.5, "accuracy within 0.5": 0.5}


def test_least_squares_is_scikit_learns() -> None:
    split = synthetic().split
    (x, y), (x_val, _) = split.train, split.val
    np.testing.assert_allclose(least_squares(split), LinearRegression().fit(x, y).predict(x_val), rtol=1e-10)


def bent() -> Wines:
    """Wines whose score no straight formula can find: the further two measurements are from the usual, the better."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(700, 11))
    y = 5 + np.abs(x[:, :2]).sum(axis=1, keepdims=True) + 0.1 * rng.normal(size=(700, 1))
    data = Wines()
    data.use(standardise(split_at_random((x, y), 0.2, 0)))
    return data


def test_the_network_learns_what_least_squares_cannot() -> None:
    data = bent()
    network = WineQuality(rng=np.random.default_rng(0))
    Trainer().fit(network, islice(batches(data), 2000))
    x, y = data.split.val
    straight = network.metrics(least_squares(data.split), y)
    found = network.metrics(network(x), y)
    assert found["mean absolute deviation"] < 0.5 * straight["mean absolute deviation"]
    assert found["accuracy within 0.5"] > straight["accuracy within 0.5"] + 0.3


@pytest.mark.parametrize(("precision", "digits"), [("64-true", 12), ("32-true", 3)])
def test_both_sides_agree_at_every_step(precision: str, digits: int) -> None:
    data = synthetic()
    lockstep = LockStep(TWIN)
    _, module = TWIN.build(dtype="float64" if precision == "64-true" else "float32")
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(max_epochs=2, precision=precision, accelerator="cpu", callbacks=[lockstep], num_sanity_val_steps=0, **quiet)
    trainer.fit(module, data)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert lockstep.judge.steps == 80
    assert lockstep.judge.digits > digits
    assert set(lockstep.metrics) == {"loss/val", "mean absolute deviation/val", "accuracy within 0.5/val"}
    for name, value in lockstep.metrics.items():
        assert float(trainer.callback_metrics[name]) == pytest.approx(value, rel=1e-5)


# ---- the article's backward is not the gradient of its loss --------------------------------------


def found_by_each(weights: Arrays, x: np.ndarray, y: np.ndarray) -> dict[str, Arrays]:
    """The gradients of the article's backward, as it is and with each correction."""
    return {name: written(x, y, **article_forward(x, **weights), **weights) for name, written in BACKWARDS.items()}


def some_cut_off(seed: int) -> tuple[Arrays, np.ndarray, np.ndarray]:
    """Weights and a batch of 9 in which the output's ReLU cuts off some predictions, but not all."""
    rng = np.random.default_rng(seed)
    weights, (x, y) = parameters(rng), random_batch(rng, 9)
    before = article_forward(x, **weights)["z2"] - weights["b2"]
    weights["b2"] = -np.sort(before, axis=0)[3:5].mean(axis=0)  # four of nine lie below 0
    assert (article_forward(x, **weights)["z2"] <= 0).sum() == 4
    return weights, x, y


@pytest.mark.parametrize("seed", range(5))
def test_where_predictions_are_cut_off_every_parameter_is_off_and_one_correction_is_not_enough(seed: int) -> None:
    weights, x, y = some_cut_off(seed)
    found = found_by_each(weights, x, y)
    right = found["with both"]
    for name in right:
        assert np.array_equal(2 * found["with the ReLU on the output"][name], right[name])  # exactly half is left
        assert np.array_equal(2 * found["as published"][name], found["with the 2 of the square"][name])
    assert all(e > 0.05 for e in errors(found["with the 2 of the square"], right).values())
    assert max(errors(found["as published"], right).values()) > 0.3


@pytest.mark.parametrize("seed", range(5))
def test_where_no_prediction_is_cut_off_the_2_mends_everything_and_the_relu_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, (x, y) = parameters(rng), random_batch(rng, 9)
    weights["b2"] = 1 - article_forward(x, **weights)["z2"].min(axis=0) + weights["b2"]
    assert article_forward(x, **weights)["z2"].min() > 0.9
    found = found_by_each(weights, x, y)
    for name, right in found["with both"].items():
        assert np.abs(right).max() > 0
        assert np.array_equal(found["with the 2 of the square"][name], right)
        assert np.array_equal(2 * found["as published"][name], right)
        assert np.array_equal(found["with the ReLU on the output"][name], found["as published"][name])


def test_where_all_predictions_are_cut_off_only_the_wrong_backward_moves() -> None:
    rng = np.random.default_rng(0)
    weights, (x, y) = parameters(rng), random_batch(rng, 9)
    weights["b2"] -= article_forward(x, **weights)["z2"].max(axis=0) + weights["b2"] + 20
    assert article_forward(x, **weights)["z2"].max() < 0
    found = found_by_each(weights, x, y)
    assert all((g == 0).all() for g in found["with both"].values())
    assert all(np.abs(g).max() > 0 for g in found["as published"].values())


def test_twice_the_step_makes_the_published_backward_the_one_with_the_2_to_the_last_bit() -> None:
    data = synthetic()
    published, short = ArticleWineQuality(lr=0.01, rng=np.random.default_rng(0)), Trainer()
    mended, long = ArticleWineQuality(lr=0.005, square=True, rng=np.random.default_rng(0)), Trainer()
    short.fit(published, islice(batches(data), 300))
    long.fit(mended, islice(batches(data), 300))
    assert short.history == long.history
    assert all(np.array_equal(published.arrays()[name], mended.arrays()[name]) for name in mended.arrays())


@pytest.mark.parametrize("corrected", [True, False])
def test_the_first_step_of_the_figures_training_follows_autograd_if_corrected_and_only_then(corrected: bool) -> None:
    data = synthetic()
    before = ArticleWineQuality(rng=np.random.default_rng(0))
    batch = next(batches(data))
    assert 0 < (before.values(batch[0])["z2"] <= 0).mean() < 1
    dL_dp = script.autograd(before, batch)
    after, _ = train_article(data, 0.1, corrected, steps=1)
    found = errors({name: (before.arrays()[name] - after.arrays()[name]) / 0.1 for name in dL_dp}, dL_dp)
    assert max(found.values()) < 1e-12 if corrected else min(found.values()) > 0.01


@pytest.mark.long
def test_the_loss_hardly_betrays_it_but_the_gradients_do() -> None:
    data = synthetic()
    x, y = data.split.val
    ends = {}
    for corrected in (False, True):
        article, history = train_article(data, 0.005, corrected, steps=6000)
        assert history[-40:].mean() < 0.1 * history[:40].mean(), "it learns, wrong or right"
        ends[corrected] = float(loss(article(x), y))
    assert ends[False] == pytest.approx(ends[True], rel=0.1)
    found, _ = first_steps(data, 40)
    assert all(step["as published"][name] == pytest.approx(0.5, rel=1e-12) for step in found[20:] for name in ("W1", "b1", "W2", "b2"))
    assert max(e for step in found for e in step["with both"].values()) < 1e-14


# ---- the article as it ran -----------------------------------------------------------------------


def test_the_article_begins_with_small_weights_and_without_biases() -> None:
    p = article_start(3000, rng=np.random.default_rng(0))
    assert {name: value.shape for name, value in p.items()} == {"W1": (11, 3000), "b1": (3000,), "W2": (3000, 1), "b2": (1,)}
    assert [p[name].std() for name in ("W1", "W2")] == pytest.approx([0.005, 0.005], rel=0.05)
    assert not p["b1"].any()
    assert not p["b2"].any()


@pytest.mark.parametrize("corrected", [False, True])
def test_as_it_ran_is_the_trainers_training_over_all_wines_in_order(corrected: bool) -> None:
    data = synthetic()
    x, y = all_wines(data)
    ran = as_it_ran(data, 2, corrected, epochs=2)
    article, trainer = script.beginning(2, corrected), Trainer(max_epochs=2)
    trainer.fit(article, [(x[i : i + 32], y[i : i + 32]) for i in range(0, 1599, 32)])
    assert ran.printed == (trainer.history[49], trainer.history[99])
    assert ran.over_all[-1] == float(loss(article(x), y))
    assert len(ran.cut_off) == 50


def test_all_wines_are_standardised_in_the_order_of_the_file() -> None:
    csv = np.column_stack([np.random.default_rng(0).normal(3, 2, (37, 11)), np.arange(37) % 9])
    text = ";".join([*wine.MEASUREMENTS, wine.SCORE]) + "\n" + "\n".join(";".join(map(str, row)) for row in csv)
    data = Wines(seed=4)
    data.use(standardise(split_at_random((csv[:, :-1], csv[:, -1:]), 0.2, data.seed)))
    assert len(parse(text.encode(), "wines")) == 37
    x, y = all_wines(data)
    np.testing.assert_allclose(x, (csv[:, :-1] - csv[:, :-1].mean(axis=0)) / csv[:, :-1].std(axis=0), atol=1e-12)
    assert np.array_equal(y[:, 0], csv[:, -1])
    assert script.last_batch(data) == 5
    data.use(Split((x[:20], y[:20]), (x[20:32], y[20:32])))
    assert script.last_batch(data) == 32


@pytest.mark.long
@real
def test_the_texts_table_of_the_article_as_it_ran() -> None:
    rows = re.findall(r"^\| \d.*\|$", AS_IT_RAN, re.MULTILINE)
    for seed, row in enumerate(rows):
        ran, right = (as_it_ran(real_wines(), seed, corrected) for corrected in (False, True))
        assert max(ran.cut_off[1:]) == 0, "from the second step on"
        printed = ran.printed[190]  # it prints every tenth epoch, from 0 on
        shown = f"| {100 * ran.cut_off[0]:.0f} % | {printed:.3f} | {ran.over_all[-1]:.3f} | {right.over_all[-1]:.3f} |"
        assert row == shown, seed
        assert ran.over_all[-1] / printed == pytest.approx(2.9, abs=0.06)
    assert len(rows) == 3


@real
def test_the_texts_numbers_of_the_first_gradients_and_of_a_straight_line() -> None:
    there, over_all = script.straight_line(real_wines())
    assert f"has a loss of {there:.3f} there, and of {over_all:.3f} for all wines" in AS_IT_RAN
    assert f"last {script.last_batch(real_wines())} wines of the file" in AS_IT_RAN
    cut_off, found = first_gradients(real_wines(), 100)
    none_left = np.isinf(found).any(axis=1)
    quarter, three_quarters = 100 * np.quantile(cut_off, [0.25, 0.75])
    said = " ".join(AS_IT_RAN.split())
    assert f"off: {quarter:.0f} to {three_quarters:.0f} % of the first batch in the middle half of 100 starts" in said
    assert f"all of it in {none_left.sum()} of them" in said
    assert np.array_equal(none_left, cut_off == 1)
    assert f"up to {found[~none_left].max():.0f} times" in said


@pytest.mark.parametrize("row", re.findall(r"^\| `.*\|$", LISTINGS, re.MULTILINE))
def test_what_cannot_run_in_the_articles_listings_cannot(row: str) -> None:
    code, comes, meant = row.strip("| ").split(" | ")
    names: dict[str, Any] = {"np": np, "h": 3, "X": np.zeros((32, 11))}
    if "Error" in comes:
        with pytest.raises((TypeError, AttributeError)) as raised:
            exec(code.strip("`"), names)
        assert comes.startswith(f"{raised.typename}:")
        assert eval(meant.strip("`"), names).shape == (1, 3)
    elif "strings" in comes:
        exec(code.strip("`"), names)
        assert [names[name] for name in ("a1", "b1", "b2", "y_hat")] == ["z1", "a1", "z2", "y_hat"]
        assert "z1" not in names
    elif "measurements" in comes:
        exec(code.strip("`"), names)
        assert comes.startswith(f"{names['m']}, the number of measurements")
        assert eval(meant.split(",")[0].strip("`"), names) == 32
    else:
        assert eval(code.strip("`"), names).tolist() == [64, 10]
        assert comes.endswith(f"sum to {eval(code.strip('`'), names).sum():g}")
        assert eval(meant.split("`")[1], names).sum(axis=0).tolist() == [0.0] * 10


def test_all_rows_of_the_listings_are_tried() -> None:
    assert len(re.findall(r"^\| `.*\|$", LISTINGS, re.MULTILINE)) == LISTINGS.count("\n|") - 2 == 5


# ---- a target of another shape -------------------------------------------------------------------


def test_the_mistakes_backward_is_that_of_the_table_of_differences() -> None:
    x, y = random_batch(np.random.default_rng(0))
    network = script.FlatTarget(hidden=7, rng=np.random.default_rng(1))
    theirs_flat = script.FlatTargetInTorch(hidden=7).double()
    load_in_torch(TWIN.naming, theirs_flat, network.state_dict())
    check_grads(network, (x, y), torch=theirs_flat, names=TWIN.names)
    differences = network(x) - y[:, 0]
    assert differences.shape == (5, 5)
    assert network.training_step((x, y), 0) == pytest.approx((differences**2).mean())


# ---- figures and text ----------------------------------------------------------------------------


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what the figures train be short."""
    monkeypatch.setattr(script, "STEPS", 80)
    monkeypatch.setattr(script.train_article, "__defaults__", (80,))
    monkeypatch.setattr(script, "EPOCHS", 2)
    monkeypatch.setattr(script, "STARTS", 3)


def test_the_figures_are_drawn_and_captioned(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)
    data = synthetic()
    ours, torchs = TWIN.build()
    figures = script.figures(ours, torchs, data)
    assert list(figures) == ["predicted against true score", "beside others", *TWIN.further[:3]]
    assert [len(f.axes) for f in figures.values()] == [2, 2, 4, 1, 2]
    assert all(len(f.caption) > 200 for f in figures.values())
    found, _ = first_steps(data, 10)
    panel = figures["the article/error of its gradients"].axes[0]
    np.testing.assert_array_equal(panel.lines[1].get_ydata(), [step["as published"]["W1"] for step in found])
    ran = as_it_ran(data, 0, epochs=2)
    left, right = figures["the article/as it ran"].axes
    assert [tuple(line.get_ydata()) for line in left.lines[::2]] == [ran.over_all, ran.printed]
    cut_off, wrong = first_gradients(data, 3)
    np.testing.assert_allclose(np.asarray(right.collections[0].get_offsets()), np.column_stack([100 * cut_off, wrong.max(axis=1)]))
    bars = figures["beside others"].axes[0].patches
    assert bars[2].get_width() == ours.metrics(ours(data.split.val[0]), data.split.val[1])["mean absolute deviation"]
    assert [bar.get_width() for bar in bars[3:]] == [0.50, 0.51, 0.46]


def test_figures_and_sentence_say_that_other_wines_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> bytes:
        raise InputError("no network")

    shorten(monkeypatch)
    monkeypatch.setattr(wine, "cached", lambda: None)
    monkeypatch.setattr(wine, "download", nowhere)
    data = Wines()
    with pytest.warns(UserWarning, match=r"no network\. Until then scikit-learn's bundled wines stand in"):
        data.setup()
    ours, torchs = TWIN.build()
    figures = script.figures(ours, torchs, data)
    assert all("Here scikit-learn's 178 bundled wines stand in for UCI's" in f.caption for f in figures.values())
    assert len(figures["beside others"].axes[0].patches) == 3, "what was published is about other wines"
    assert figures["predicted against true score"].axes[0].get_xlabel() == "true alcohol (% by volume)"
    said = script.learned(Trained(ours, torchs, data, (1.0,), {}, True))
    assert "36 wines that it has not seen" in said
    assert "bundled wines stand in" in said
    real_ones = script.learned(Trained(ours, torchs, synthetic(), (1.0,), {}, True))
    assert "320 wines that it has not seen" in real_ones
    assert "bundled" not in real_ones


def test_the_text_quotes_what_cortez_et_al_report() -> None:
    for name, (deviation, accuracy) in REPORTED.items():
        assert f"| Cortez et al. (2009), {name} | {deviation:.2f} | {100 * accuracy:.1f} % |" in HOW_GOOD


@real
def test_the_texts_table_of_gradient_errors() -> None:
    found, cut_off = first_steps(real_wines(), 40)
    for name, of in found[0].items():
        assert f"| {name} | {' | '.join(f'{of[p]:.2f}' for p in ('W1', 'b1', 'W2', 'b2'))} |" in ARTICLE
    assert f"{100 * cut_off[0]:.0f} % of the predictions" in ARTICLE
    assert min(cut_off[:4]) > 0
    assert max(cut_off[4:]) == 0, "from step 4 on"
    assert max(step["with both"][name] for step in found for name in ("W1", "b1", "W2", "b2")) < 1e-14


@real
def test_with_other_weights_the_two_faults_hide_each_other_in_one_parameter() -> None:
    batch = next(batches(real_wines()))
    published = script.article_errors(ArticleWineQuality(rng=np.random.default_rng(5)), batch)["as published"]
    assert f"b2 is off by {100 * published['b2']:.1f} % in the first batch, and W1 by {100 * published['W1']:.0f} %" in ARTICLE


@pytest.mark.long
@real
def test_the_texts_losses_of_the_article() -> None:
    x, y = real_wines().split.val
    published, right, twice = (
        float(loss(train_article(real_wines(), lr, corrected)[0](x), y)) for lr, corrected in ((0.005, False), (0.005, True), (0.01, False))
    )
    assert f"has a loss of {published:.3f} on the held-out wines, the right one {right:.3f}" in ARTICLE
    assert f"reaches {twice:.3f} too" in " ".join(ARTICLE.split())


@pytest.mark.long
@real
def test_both_sides_reach_the_tasks_end_and_beat_least_squares() -> None:
    ours, torchs = TWIN.build()
    data = real_wines()
    Trainer().fit(ours, islice(batches(data), 8000))
    optimizer = torchs.configure_optimizers()
    for x, y in islice(batches(data), 8000):
        optimizer.zero_grad()
        torchs.training_step((torch.from_numpy(x), torch.from_numpy(y)), 0).backward()
        optimizer.step()
    assert max(errors(ours.arrays(), weights_by_hand(TWIN.naming, torchs)).values()) < 1e-8
    x, y = data.split.val
    straight = ours.metrics(least_squares(data.split), y)
    with torch.no_grad():
        in_torch = torchs.metrics(torchs(torch.from_numpy(x)), torch.from_numpy(y))
    for found in (ours.metrics(ours(x), y), {name: float(value) for name, value in in_torch.items()}):
        assert found["mean absolute deviation"] < straight["mean absolute deviation"] - 0.005
        assert found["accuracy within 0.5"] > straight["accuracy within 0.5"] + 0.01
    assert f"least squares is off by {straight['mean absolute deviation']:.2f} there" in HOW_GOOD


@pytest.mark.long
@real
def test_from_other_initial_weights_it_beats_least_squares_too_and_on_average_by_more() -> None:
    data = real_wines()
    x, y = data.split.val
    straight = WineQuality().metrics(least_squares(data.split), y)["mean absolute deviation"]
    found = []
    for seed in (1, 2):
        ours, _ = TWIN.build(seed=seed)
        Trainer().fit(ours, islice(batches(data), 8000))
        found.append(ours.metrics(ours(x), y)["mean absolute deviation"])
    assert max(found) < straight - 0.005
    assert np.mean(found) < straight - 0.015


def folds(x: np.ndarray, y: np.ndarray, held_out: int = 5) -> Iterator[Split]:
    """Five splits, in which every wine is held out once."""
    order = np.random.default_rng(0).permutation(len(x))
    for k in range(held_out):
        val = order[k::held_out]
        train = np.setdiff1d(order, val)
        yield standardise(Split((x[train], y[train]), (x[val], y[val])))


def trained(split: Split, lr: float) -> np.ndarray:
    """What the network predicts for the held-out wines after 8000 steps; the bare functions, for speed."""
    weights = WineQuality(rng=np.random.default_rng(0)).arrays()
    data = Wines()
    data.use(split)
    for x, y in islice(batches(data), 8000):
        gradient = backward(x, y, **forward(x, **weights), **weights)
        weights = {name: weights[name] - lr * gradient[name] for name in weights}
    return forward(split.val[0], **weights)["y_hat"]


def deviations(splits: list[Split], predictions: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.abs(y_hat - split.val[1]) for split, y_hat in zip(splits, predictions, strict=True)])


@pytest.mark.long
@real
def test_the_texts_cross_validation_and_repeated_wines() -> None:
    wines = parse(REAL.read_bytes(), REAL.name)
    splits = list(folds(wines.to_numpy()[:, :-1], wines.to_numpy()[:, -1:]))
    for name, predictions in (
        ("least squares", [least_squares(split) for split in splits]),
        ("this network", [trained(split, 0.005) for split in splits]),
    ):
        d = deviations(splits, predictions)
        row = f"| here, {name}, five-fold cross-validation | {d.mean():.2f} | {100 * (d <= 0.5).mean():.1f} % |"
        assert row in HOW_GOOD, row
    (x, y), (x_val, y_val) = real_wines().split.train, real_wines().split.val
    known = {tuple(row.round(9)) for row in np.hstack([x, y])}
    again = sum(tuple(row.round(9)) in known for row in np.hstack([x_val, y_val]))
    assert f"{int(wines.duplicated().sum())} repeat an earlier line exactly, and {again} of the {len(y_val)} held-out wines" in HOW_GOOD


@pytest.mark.long
@real
def test_the_step_size_is_the_one_that_cross_validation_within_the_training_wines_likes() -> None:
    splits = list(islice(folds(*real_wines().split.train), 2))  # of five: the other three say the same, and take long
    short, chosen, long = (deviations(splits, [trained(s, lr) for s in splits]).mean() for lr in (0.001, WineQuality().lr, 0.02))
    assert chosen < short - 0.002
    assert chosen < long - 0.002


def test_the_published_backward_is_the_default() -> None:
    weights, x, y = some_cut_off(0)
    values = article_forward(x, **weights)
    plain = article_backward(x, y, **values, **weights)
    np.testing.assert_allclose(plain["b2"], ((values["y_hat"] - y) / 9).sum(axis=0), rtol=1e-14)
