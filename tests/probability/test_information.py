"""Information: the identities, SciPy and scikit-learn as judges, zeros on every side, and where both directions of KL end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import optimize, special, stats
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import mutual_info_score
from torch.nn.functional import kl_div

from experiments.data.arrays import InputError
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.lockstep import LockStep
from experiments.probability import information as script
from experiments.probability.information import TWIN, Humps
from manual import nn
from manual.probability import expectation
from manual.probability import information as by_hand
from manual.probability.distributions import normal_log_prob
from tests.helpers import whole_run
from torch_impl.probability import information as in_torch

DATA = Humps()


def distributions(seed: int, *shape: int) -> np.ndarray:
    """Random probabilities along the last axis."""
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), size=shape[:-1])


# ---- what they are -------------------------------------------------------------------------------


def test_all_are_scipys_and_scikit_learns() -> None:
    p, q = distributions(0, 2, 5, 4)
    assert error(by_hand.entropy(p), stats.entropy(p, axis=1)) < 1e-14
    assert error(by_hand.bits(by_hand.entropy(p)), stats.entropy(p, base=2, axis=1)) < 1e-14
    assert error(by_hand.kl_divergence(p, q), special.rel_entr(p, q).sum(axis=1)) < 1e-13
    assert error(by_hand.kl_divergence(p, q), stats.entropy(p, q, axis=1)) < 1e-13
    assert error(by_hand.js_divergence(p, q), jensenshannon(p, q, axis=1) ** 2) < 1e-13
    counts = np.random.default_rng(1).integers(0, 9, size=(5, 3, 4))
    wanted = [mutual_info_score(None, None, contingency=table) for table in counts]  # scikit-learn wants them not divided
    assert error(by_hand.mutual_information(counts / counts.sum(axis=(1, 2), keepdims=True)), np.array(wanted)) < 1e-13
    assert in_torch.bits(torch.tensor(math.log(8))).item() == pytest.approx(3, rel=1e-6)


def test_entropy_is_the_expected_surprise_and_the_number_of_questions() -> None:
    p = np.array([0.5, 0.25, 0.125, 0.125])
    assert by_hand.entropy(p) == pytest.approx(expectation.expectation(p, -np.log(p)), rel=1e-15)
    questions = np.array([1.0, 2.0, 3.0, 3.0])  # is it the first? else, is it the second? ...
    assert by_hand.bits(by_hand.entropy(p)) == pytest.approx(expectation.expectation(p, questions), rel=1e-15)
    two = np.outer(p, [0.3, 0.7]).ravel()
    assert by_hand.entropy(two) == pytest.approx(by_hand.entropy(p) + by_hand.entropy(np.array([0.3, 0.7])), rel=1e-14)


def test_entropy_lies_between_0_and_log_k() -> None:
    p = distributions(2, 200, 6)
    h = by_hand.entropy(p)
    assert 0 < h.min() < h.max() < math.log(6)
    assert by_hand.entropy(np.full(6, 1 / 6)) == pytest.approx(math.log(6), rel=1e-15)
    assert by_hand.entropy(np.eye(6)).tolist() == [0.0] * 6
    flat = by_hand.entropy_backward(np.array(1.0), np.full(6, 1 / 6))
    assert flat == pytest.approx(np.full(6, math.log(6) - 1), rel=1e-14)  # equal in all: no way to go with a fixed sum


def test_divergence_is_the_excess_of_the_cross_entropy_and_never_below_0() -> None:
    p, q = distributions(3, 2, 200, 4)
    forward, reverse = by_hand.kl_divergence(p, q), by_hand.kl_divergence(q, p)
    assert error(forward, by_hand.cross_entropy(p, q) - by_hand.entropy(p)) < 1e-14
    assert min(forward.min(), reverse.min()) > 0
    assert abs(forward - reverse).min() > 0
    assert abs(by_hand.kl_divergence(p, p)).max() < 1e-15
    dL_dp, dL_dq = by_hand.kl_divergence_backward(np.ones(200), p, p)
    assert error(dL_dp, np.ones_like(p)) < 1e-14  # at the least value both slopes are the same in all entries
    assert error(dL_dq, -np.ones_like(p)) < 1e-14


def test_jensen_shannon_is_symmetric_and_at_most_log_2() -> None:
    p, q = distributions(4, 2, 200, 4)
    m = (p + q) / 2
    js = by_hand.js_divergence(p, q)
    assert error(js, (by_hand.kl_divergence(p, m) + by_hand.kl_divergence(q, m)) / 2) < 1e-13
    assert error(js, by_hand.js_divergence(q, p)) < 1e-15
    assert 0 < js.min() < js.max() < math.log(2)
    assert by_hand.js_divergence(np.array([0.3, 0.7, 0, 0]), np.array([0, 0, 0.1, 0.9])) == pytest.approx(math.log(2), rel=1e-15)
    distance = np.sqrt(js[:100]) + np.sqrt(by_hand.js_divergence(q[:100], p[100:]))
    assert (np.sqrt(by_hand.js_divergence(p[:100], p[100:])) <= distance).all()  # the triangle inequality


def test_mutual_information_is_the_divergence_from_independence() -> None:
    table = distributions(5, 12).reshape(3, 4)
    product = np.outer(table.sum(axis=1), table.sum(axis=0))
    shared = by_hand.mutual_information(table)
    assert shared == pytest.approx(by_hand.kl_divergence(table.ravel(), product.ravel()), rel=1e-13)
    assert shared == pytest.approx(by_hand.mutual_information(table.T), rel=1e-13)
    assert abs(by_hand.mutual_information(product)) < 1e-15
    p = distributions(6, 5)
    assert by_hand.mutual_information(np.diag(p)) == pytest.approx(by_hand.entropy(p), rel=1e-14)  # the row tells the column


def test_cross_entropy_is_the_loss_of_classifiers() -> None:
    z, t = np.random.default_rng(7).normal(size=(5, 3)), distributions(8, 5, 3)
    q = nn.Softmax(dim=1)(z)
    assert by_hand.cross_entropy(t, q).mean() == pytest.approx(nn.CrossEntropyLoss()(z, t), rel=1e-14)
    assert by_hand.kl_divergence(t, q).mean() == pytest.approx(nn.KLDivLoss(reduction="batchmean")(np.log(q), t), rel=1e-13)


# ---- zeros ---------------------------------------------------------------------------------------

P, Q = np.array([0.0, 0.0, 0.5, 0.5]), np.array([0.0, 0.5, 0.0, 0.5])  # neither, q alone, p alone, both


def test_what_never_happens_has_no_part_in_an_entropy() -> None:
    assert by_hand.entropy(P) == pytest.approx(math.log(2), rel=1e-15)
    assert by_hand.entropy_backward(np.array(1.7), P)[:2].tolist() == [math.inf] * 2


def test_divergence_is_infinite_where_p_is_possible_and_q_is_not() -> None:
    assert by_hand.kl_divergence(P, Q) == by_hand.cross_entropy(P, Q) == math.inf
    assert by_hand.kl_divergence(P, np.array([0.0, 0.5, 0.25, 0.25])) == pytest.approx(math.log(2), rel=1e-15)
    assert by_hand.js_divergence(P, Q) == pytest.approx(math.log(2) / 2, rel=1e-15)


def test_libraries_differ_at_zeros_as_the_table_says() -> None:
    """Term by term, where p and q are 0, q alone is not, p alone is not, neither is."""
    p, q = torch.from_numpy(P), torch.from_numpy(Q)
    np.testing.assert_array_equal(special.rel_entr(P, Q), [0, 0, math.inf, 0])
    np.testing.assert_array_equal(special.kl_div(P, Q), [0, 0.5, math.inf, 0])  # scipy adds q − p
    np.testing.assert_array_equal(kl_div(q.log(), p, reduction="none").numpy(), [math.nan, 0, math.inf, 0])
    np.testing.assert_array_equal((torch.xlogy(p, p) - torch.xlogy(p, q)).numpy(), [0, 0, math.inf, 0])
    np.testing.assert_array_equal(torch.special.entr(p).numpy()[:2], [0, 0])


def test_libraries_differ_where_probabilities_do_not_add_up_to_1() -> None:
    counts = np.array([1.0, 3.0])
    fair = by_hand.entropy(counts / 4)
    assert stats.entropy(counts) == pytest.approx(fair, rel=1e-14)  # scipy divides
    assert torch.distributions.Categorical(probs=torch.from_numpy(counts)).entropy().item() == pytest.approx(fair, rel=1e-14)
    assert torch.special.entr(torch.from_numpy(counts)).sum().item() == pytest.approx(
        -3 * math.log(3), rel=1e-14
    )  # torch takes them as they are
    with pytest.raises(ValueError, match=r"entropy: the probabilities in p must add up to 1, got 4\.0; divide counts by their sum first"):
        by_hand.entropy(counts)


def test_bad_input_is_named() -> None:
    p = np.array([0.2, 0.8])
    refused: list[tuple[type[Exception], str, str, tuple[Any, ...]]] = [
        (ValueError, r"p must not be below 0, got -0\.1", "entropy", (np.array([-0.1, 1.1]),)),
        (ValueError, r"the probabilities in p must add up to 1, got 0\.9", "entropy", (np.array([p, [0.1, 0.8]]),)),
        (ValueError, r"p must have an axis of probabilities, got a single number", "entropy", (np.array(1.0),)),
        (TypeError, r"p must be floating point, got int64", "entropy", (np.array([0, 1]),)),
        (ValueError, r"the probabilities in q must add up to 1, got 1\.3", "cross_entropy", (p, np.array([0.5, 0.8]))),
        (ValueError, r"p and q must have one shape, got \(2,\) and \(1, 2\)", "kl_divergence", (p, p[None])),
        (TypeError, r"q must have the layer's dtype float64, got float32", "js_divergence", (p, p.astype(np.float32))),
        (ValueError, r"table must have rows and columns, got shape \(2,\)", "mutual_information", (p,)),
        (ValueError, r"the probabilities in table must add up to 1, got 2\.0", "mutual_information", (np.array([p, p]),)),
        (ValueError, r"log_p and weight must have one shape, got \(2,\) and \(3,\)", "kl_integral", (p, p, np.ones(3))),
    ]
    for kind, message, name, inputs in refused:
        with pytest.raises(kind, match=f"{name}: {message}"):
            getattr(by_hand, name)(*inputs)
    for side in (by_hand, in_torch):
        with pytest.raises(ValueError, match="Information: direction must be one of 'forward', 'reverse', got 'both'"):
            side.Information(direction="both")  # type: ignore[attr-defined]
    for wrong in ({"points": 1}, {"apart": -1.0}, {"apart": 11.0}):
        with pytest.raises(InputError, match=r"--data\.points must be at least 2 and --data\.apart in 0 … 10, got"):
            Humps(**wrong)  # type: ignore[arg-type]


# ---- two densities -------------------------------------------------------------------------------


def test_the_sum_over_the_grid_is_the_integral() -> None:
    """Of two bell curves KL is log(b/a) + (a² + d²)/(2 b²) − 1/2, for stds a and b and a distance d of the means."""
    x, weight, _ = DATA.split.train
    a, b, d = 0.8, 1.1, 0.9
    log_p = normal_log_prob(x, np.array([0.4]), np.array([a]))
    log_q = normal_log_prob(x, np.array([0.4 + d]), np.array([b]))
    wanted = math.log(b / a) + (a * a + d * d) / (2 * b * b) - 0.5
    assert by_hand.kl_integral(log_p, log_q, weight) == pytest.approx(wanted, rel=1e-13)


def test_the_humps_are_a_density_with_the_moments_of_the_closed_form() -> None:
    x, weight, log_p = DATA.split.train
    p = weight * np.exp(log_p)
    mean, std = DATA.moments()
    assert p.sum() == pytest.approx(1, rel=1e-14)
    assert (p * x).sum() == pytest.approx(mean, rel=1e-13)
    assert (p * (x - mean) ** 2).sum() == pytest.approx(std**2, rel=1e-13)
    wanted = 0.6 * stats.norm.pdf(x, 3, 0.5) + 0.4 * stats.norm.pdf(x, -3, 0.8)
    assert error(np.exp(log_p), wanted) < 1e-14


# ---- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", [None, "reverse"])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.build(seed=1, variant=variant)
    for p in ours.parameters():
        p += 0.3
    one, other = (tuple(a[part] for a in DATA.split.train) for part in (slice(0, None, 3), slice(1, None, 4)))
    check_grads(ours, one, again=other, torch=theirs)


@pytest.fixture(scope="module", params=[None, "reverse"], ids=["forward", "reverse"])
def trained(request: pytest.FixtureRequest) -> tuple[str | None, LockStep, Any]:
    """The whole run in either direction, in lock-step."""
    return request.param, *whole_run(TWIN, request.param)


def ends(lockstep: LockStep, theirs: Any) -> list[tuple[float, float]]:
    """(mean, std) by hand and in torch."""
    states = lockstep.hand.model.state_dict(), to_numpy(dict(theirs.state_dict()))
    return [(float(s["mean"][0]), float(np.exp(s["log_std"][0]))) for s in states]


def reverse_kl(start: tuple[float, float]) -> Any:
    """What SciPy finds from this (mean, log std), by a method without gradients."""
    x, weight, log_p = DATA.split.train

    def loss(place: np.ndarray) -> float:
        q = stats.norm(place[0], np.exp(place[1]))
        return float((weight * q.pdf(x) * (q.logpdf(x) - log_p)).sum())

    return optimize.minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-15, "maxiter": 2000})


def test_forward_covers_and_reverse_picks(trained: tuple[str | None, LockStep, Any]) -> None:
    variant, lockstep, theirs = trained
    assert lockstep.judge.passed, lockstep.judge.failure
    found = reverse_kl((3.2, math.log(0.6)))
    for mean, std in ends(lockstep, theirs):
        if variant is None:
            assert (mean, std) == pytest.approx(DATA.moments(), rel=1e-12)
        else:
            assert mean == pytest.approx(found.x[0], abs=1e-7)
            assert std == pytest.approx(math.exp(found.x[1]), abs=1e-7)
            assert (mean, std) == pytest.approx((3.0, 0.5), abs=1e-4)  # the right hump, all but for the tail of the other
    for loss in (lockstep.records[-1].loss_manual, lockstep.records[-1].loss_torch):
        if variant is None:
            assert loss == pytest.approx(0.9333, abs=5e-5)
        else:
            assert loss == pytest.approx(found.fun, abs=1e-12)
            assert loss == pytest.approx(-math.log(0.6), abs=1e-5)  # on the hump p is 0.6 q
    assert lockstep.metrics["forward/val"] == pytest.approx(0.9333 if variant is None else 28.2486, abs=5e-5)
    assert lockstep.metrics["reverse/val"] == pytest.approx(3.6631 if variant is None else 0.5108, abs=5e-5)


def test_reverse_picks_the_hump_on_whose_side_it_begins() -> None:
    for start, hump in ((-1.5, (-3.0, 0.8)), (1.5, (3.0, 0.5))):
        ours, theirs = TWIN.build(variant="reverse")
        ours.mean.data[...] = start
        for path in script.walk(ours, theirs, DATA.split.train, 400):
            assert (path["mean"][-1, 0], np.exp(path["log_std"][-1, 0])) == pytest.approx(hump, abs=2e-3)


@pytest.mark.parametrize(
    ("data", "direction", "wanted"),
    [
        ({"apart": 1.0}, "forward", (0.10, 0.80)),
        ({"apart": 1.0}, "reverse", (0.11, 0.75)),
        ({"apart": 2.5}, "reverse", (-0.03, 1.26)),
        ({"points": 11}, "forward", (-0.51, 3.12)),
    ],
)
def test_things_to_try_end_as_told(data: dict[str, Any], direction: str, wanted: tuple[float, float]) -> None:
    ours, theirs = TWIN.build(variant="reverse" if direction == "reverse" else None)
    for path in script.walk(ours, theirs, Humps(**data).split.train, 400):
        assert (path["mean"][-1, 0], np.exp(path["log_std"][-1, 0])) == pytest.approx(wanted, abs=6e-3)


def test_figures_show_what_their_captions_say(trained: tuple[str | None, LockStep, Any]) -> None:
    variant, lockstep, theirs = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == ["one covers, one picks"]
    covers, picks = drawn["one covers, one picks"].axes
    tops = [[line.get_xdata()[np.argmax(line.get_ydata())] for line in ax.lines] for ax in (covers, picks)]
    assert tops[0] == pytest.approx([0.6, 0.6], abs=0.02)
    assert abs(np.array(tops[1])) == pytest.approx([3.0, 3.0], abs=0.02)
    found = script.fitted(lockstep.hand.model, theirs, DATA)
    assert found["forward" if variant is None else "reverse"] == ends(lockstep, theirs)
    for ours, torchs in found.values():
        assert ours == pytest.approx(torchs, rel=1e-10)


def test_figures_before_training_show_what_their_captions_say() -> None:
    ours, theirs = TWIN.build()
    drawn = script.before(ours, theirs, DATA)
    assert list(drawn) == ["surprise and entropy", "three divergences", "mutual information", "two landscapes"]
    surprise, coin = drawn["surprise and entropy"].axes
    assert surprise.lines[1].get_ydata() == pytest.approx([0, 1, 2, 3], abs=1e-15)
    assert coin.lines[1].get_ydata() == pytest.approx([1, 0.47, 0], abs=5e-3)
    infinite, bounded, js = (np.asarray(line.get_ydata()) for line in drawn["three divergences"].axes[0].lines)
    assert infinite[0] > 3
    assert bounded.max() < 1
    assert js.max() == pytest.approx(0.31, abs=5e-3)
    assert min(curve[499] for curve in (infinite, bounded, js)) == pytest.approx(0, abs=1e-15)
    shared = [by_hand.bits(by_hand.mutual_information(table)) for table, *_ in script.TABLES.values()]
    assert shared == pytest.approx([0, 0.36, 0.918], abs=5e-3)
    square = script.TABLES["x and x²"][0]
    x, x2 = np.meshgrid([-1.0, 0, 1], [0.0, 1], indexing="ij")
    assert expectation.expectation(square, x * x2) == expectation.expectation(square, x) == 0  # so the covariance is 0
    forward, reverse = (np.asarray(line.get_ydata()) for line in drawn["two landscapes"].axes[0].lines)
    valleys = [np.flatnonzero((y[1:-1] < y[:-2]) & (y[1:-1] < y[2:])) + 1 for y in (forward, reverse)]
    mean = np.linspace(-5, 5, 201)
    assert mean[valleys[0]] == pytest.approx([0.6], abs=0.03)
    assert mean[valleys[1]] == pytest.approx([-3, 3], abs=0.06)
