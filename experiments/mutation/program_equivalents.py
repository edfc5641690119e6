"""Mistakes outside of the backwards that nobody can tell from the original, or that change nothing anyone relies on: each with the reason.

`python -m experiments mutate --program` prints the id of every mutant that lives. An entry that matches none is stale and fails.
"""

from __future__ import annotations

BY_REASON: dict[str, tuple[str, ...]] = {
    "every place has the same keys: they are the names of the parameters": (
        "experiments/drawing/walk.py::stacked:first: for name in places[0] =>  for name in places[-1]:0",
    ),
    "every array of a batch counts the same examples": (
        "experiments/data/arrays.py::split_at_random:first:len(arrays[0]) => len(arrays[-1]):0",
        "experiments/data/arrays.py::split_at_random:constant:len(arrays[0]) => len(arrays[1]):0",
        "manual/probability/bayes.py::weight_posterior:side:len(x) * ridge.hessian(x, alpha) => len(y) * ridge.hessian(x, alpha):0",
    ),
    "no concept asks for the number of its batch": (
        "experiments/drawing/walk.py::walk_in_torch:constant:model.training_step(batch, 0) => model.training_step(batch, 1):0",
    ),
    "how much is rounding is a matter of judgement: a few times eps more or less calls nothing else 0": (
        "manual/calculus/gradients.py::kind_of_critical_point:count:"
        "len(H) * np.finfo(H.dtype).eps => (len(H) + 1) * np.finfo(H.dtype).eps:0",
    ),
    "what settles does so within a dozen steps, and what does not never does: 99 are as good as 100": (
        "manual/linear_algebra/eigen.py::qr_iteration:count:range(1, 101) => range(1, 100):0",
    ),
    "what is drawn from a Normal distribution is as likely as its negative": (
        "experiments/lockstep/checks.py::at_random:sign:p + rng.normal(0, 0.3, p.shape).astype(options.dtype)"
        " => p - rng.normal(0, 0.3, p.shape).astype(options.dtype):0",
        "experiments/data/wine.py::WineQuality.stand_in:sign:"
        "5.6 + 0.2 * x.sum(axis=1, keepdims=True) + 0.5 * rng.standard_normal((len(x), 1))"
        " => 5.6 + 0.2 * x.sum(axis=1, keepdims=True) - 0.5 * rng.standard_normal((len(x), 1)):0",
        "manual/nn/init.py::orthogonal:sign:np.sign(np.diag(r)) => -np.sign(np.diag(r)):0",
    ),
    "until a rollout was played no epoch is the one that it was played in": (
        "experiments/data/rollout.py::RolloutData.batches:condition:"
        "self.rollout is None or self.played_in != epoch => self.played_in != epoch:0",
        "experiments/data/rollout.py::RolloutData.state_dict:condition:"
        "self.rollout is None or self.played_in is None => self.played_in is None:0",
    ),
    "from which number draws are counted: each still has one of its own, and both sides the same": (
        "experiments/judge/noise.py::Stream.begin:constant:(micro_batch, 0) => (micro_batch, 1):0",
    ),
    "both sides are always in the same mode, in training or not": (
        "experiments/commands/board.py::Board._figures:first:pl_module.train(modes[0]) => pl_module.train(modes[-1]):0",
    ),
    "how much is lost is a square: it is the same on the other side of the best": (
        "experiments/numerics/conditioning.py::foretold:sign:-as_row(*best) => as_row(*best):0",
    ),
    "a batch has as many targets as inputs": (
        "manual/sequences/attention.py::Attention.validation_step:saved:batch_size=len(x) => batch_size=len(target):1",
    ),
    "astype copies where it need not: the numbers are the same": (
        "manual/nn/loss.py::numbers:ignored:target.astype(x.dtype, copy=False) => target.astype(x.dtype):0",
    ),
    "all parameters of a model have one dtype": (
        "experiments/lockstep/checks.py::rounding_of_two:first:next((p.dtype.name for p in pair.ours.parameters()))"
        " => [*(p.dtype.name for p in pair.ours.parameters())][-1]:0",
        "experiments/lockstep/floor.py::rounding_of_step:first:next((p.dtype for p in module.parameters()))"
        " => [*(p.dtype for p in module.parameters())][-1]:0",
        "experiments/judge/look.py::default_dtype:first:next((p.dtype for p in model.parameters()), before)"
        " => [before, *(p.dtype for p in model.parameters())][-1]:0",
    ),
    "a product is the same whichever factor comes first": (
        "manual/nn/dropout.py::Dropout.forward:side:self.thin(x, keep) => self.thin(keep, x):0",
        "torch_impl/calculus/gradients.py::dense_hvp:transpose:dL_dy @ dense(*inputs) => dense(*inputs) @ dL_dy:0",
    ),
    "1 + eps and 1 − eps are as likely, and to divide by one is to multiply by the other but for eps²": (
        "experiments/lockstep/by_hand.py::HandRun.perturb_weights:factor:p *= rounding_factors(rng, p.data)"
        " => p /= rounding_factors(rng, p.data):0",
    ),
    "y has one column: the mean of its entries is that of its rows": (
        "torch_impl/regression/lasso.py::prepared:ignored:y.mean(dim=0) => y.mean():0",
    ),
    "what is added to begins as 0": (
        "manual/probability/multivariate_normal.py::cholesky:added:Y[j:, j] = left / np.sqrt(left[0])"
        " => Y[j:, j] += left / np.sqrt(left[0]):0",
    ),
    "what is more than eleven standard deviations away adds nothing that a float64 holds": (
        "torch_impl/probability/distributions.py::poisson_entropy:count:12 * most.sqrt() => 11 * most.sqrt():0",
    ),
}

EQUIVALENT: dict[str, str] = {mutant: reason for reason, mutants in BY_REASON.items() for mutant in mutants}
