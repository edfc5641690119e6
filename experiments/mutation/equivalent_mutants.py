"""Mutants that no case can kill because they compute the same: each with the reason, found by thinking, not by trying.

`python -m experiments mutate` prints the id of every mutant that lives. An entry here that matches none of them is stale and fails.
"""

from __future__ import annotations

BY_REASON: dict[str, tuple[str, ...]] = {
    "the arrays are vectors: a vector is its own transpose, and its product with another is the same both ways": (
        "LBFGS.take_step:transpose:g @ state['d'] => state['d'] @ g:0",
        "LBFGS.take_step:transpose:g @ state['d'] => g.T @ state['d']:0",
        "LBFGS.take_step:transpose:g @ state['d'] => g @ state['d'].T:0",
        "LBFGS.direction:transpose:al[i] = s @ q * ro => al[i] = q @ s * ro:0",
        "LBFGS.direction:transpose:al[i] = s @ q * ro => al[i] = s.T @ q * ro:0",
        "LBFGS.direction:transpose:al[i] = s @ q * ro => al[i] = s @ q.T * ro:0",
        "LBFGS.direction:transpose:al[i] - y @ d * ro => al[i] - d @ y * ro:0",
        "LBFGS.direction:transpose:al[i] - y @ d * ro => al[i] - y.T @ d * ro:0",
        "LBFGS.direction:transpose:al[i] - y @ d * ro => al[i] - y @ d.T * ro:0",
        "LBFGS.evaluate:transpose:Point(t, loss, g, g @ d) => Point(t, loss, g, d @ g):0",
        "LBFGS.evaluate:transpose:Point(t, loss, g, g @ d) => Point(t, loss, g, g.T @ d):0",
        "LBFGS.evaluate:transpose:Point(t, loss, g, g @ d) => Point(t, loss, g, g @ d.T):0",
        "LBFGS.remember:transpose:ys = y @ s => ys = s @ y:0",
        "LBFGS.remember:transpose:ys = y @ s => ys = y.T @ s:0",
        "LBFGS.remember:transpose:ys = y @ s => ys = y @ s.T:0",
        "LBFGS.remember:transpose:ys / (y @ y) => ys / (y.T @ y):0",
        "LBFGS.remember:transpose:ys / (y @ y) => ys / (y @ y.T):0",
    ),
    "the matrix is symmetric: X Xᵀ, and every polynomial of it": (
        "muon.orthogonalize:transpose:c * (XXt @ XXt) => c * (XXt.T @ XXt):0",
        "muon.orthogonalize:transpose:c * (XXt @ XXt) => c * (XXt @ XXt.T):0",
        "muon.orthogonalize:transpose:polynomial @ X => polynomial.T @ X:0",
    ),
    "a matrix plus its transpose is its own transpose": (
        "expectation.covariance_backward:transpose:x_centred @ (dL_dC + dL_dC.T) => x_centred @ (dL_dC + dL_dC.T).T:0",
        "expectation.correlation_backward:transpose:(dL_dR + dL_dR.T) @ x_hat => (dL_dR + dL_dR.T).T @ x_hat:0",
    ),
    "(x − mean)/std² and (z² − 1)/std · std are the same for −std": (
        "information.Information.backward:sign:np.exp(self.log_std.data) => -np.exp(self.log_std.data):0",
    ),
    "of a square matrix either side will do: p(X Xᵀ) X = X p(Xᵀ X) for every polynomial p": (
        "muon.orthogonalize:edge:u.shape[0] > u.shape[1] => u.shape[0] >= u.shape[1]:0",
    ),
    "x_hat comes twice: (−x_hat) · mean(dL_dx_hat · (−x_hat)) = x_hat · mean(dL_dx_hat · x_hat)": (
        "_InstanceNorm.backward:sign:x_hat.reshape(rows) => -x_hat.reshape(rows):0",
        "GroupNorm.backward:sign:standardize_backward(d.reshape(x_hat.shape), x_hat, inv_std)"
        " => standardize_backward(d.reshape(x_hat.shape), -x_hat, inv_std):0",
        "LayerNorm.backward:sign:standardize_backward(dL_dx_hat, x_hat, inv_std) => standardize_backward(dL_dx_hat, -x_hat, inv_std):0",
        "conditioning.standardise_backward:sign:standardise(x).T => -standardise(x).T:0",
        "conditioning.standardise_backward:sign:standardize_backward(dL_dx_hat.T, x_hat, inv_std)"
        " => standardize_backward(dL_dx_hat.T, -x_hat, inv_std):0",
        "expectation.correlation_backward:sign:standardize_backward(dL_dx_hat, x_hat, inv_std)"
        " => standardize_backward(dL_dx_hat, -x_hat, inv_std):0",
    ),
    "the slope of tanh, 1 − h², is the same at −h, and that of no tanh is 1": (
        "conditioning.chain_gradients:sign:states(h, W, activation) => -states(h, W, activation):0",
        "conditioning.chain_jacobians:sign:states(h[None], W, activation)[:, 0] => -states(h[None], W, activation)[:, 0]:0",
    ),
    "NaN times anything is NaN": (
        "CTCLoss.backward:sign:gamma[:, np.isneginf(log_P)] = np.nan => gamma[:, np.isneginf(log_P)] = -np.nan:0",
        "CTCLoss.backward:scale:gamma[:, np.isneginf(log_P)] = np.nan => gamma[:, np.isneginf(log_P)] = 2 * np.nan:0",
        "CTCLoss.backward:scale:gamma[:, np.isneginf(log_P)] = np.nan => gamma[:, np.isneginf(log_P)] = 0.5 * np.nan:0",
    ),
    "−∞ times a positive number is −∞": (
        "CTCLoss.log_beta:scale:np.full((T + 1, N, E), -np.inf, log_p_e.dtype) => 2 * np.full((T + 1, N, E), -np.inf, log_p_e.dtype):0",
        "CTCLoss.log_beta:scale:np.full((T + 1, N, E), -np.inf, log_p_e.dtype) => 0.5 * np.full((T + 1, N, E), -np.inf, log_p_e.dtype):0",
    ),
    "taps is a list: twice over, its second half has numbers that no winner has": (
        "_MaxPool.backward:scale:self.windows.taps(shape[-self.axes:], dL_dy.shape[-self.axes:])"
        " => 2 * self.windows.taps(shape[-self.axes:], dL_dy.shape[-self.axes:]):0",
    ),
    "no index is None: without a padding_idx all rows are kept, whichever way": (
        "Embedding.backward:saved:self.padding_idx => self.embedding_dim:0",
        "Embedding.backward:saved:self.padding_idx => self.weight:0",
    ),
    "each step works on an axis of its own, so that their order makes no difference": (
        "Upsample.backward:stale:reversed(self._axes(shape)) => list(self._axes(shape)):0",
    ),
    "options is a dict made for this group in this step, and advance sets the same keys for each of its parameters": (
        "Optimizer._move:inplace:options = options | self.advance(p, state, **options) => options |= self.advance(p, state, **options):0",
    ),
    "an elementwise update computes the same in blocks and at once; blocks are for speed": (
        "Optimizer._move:condition:self.elementwise and p.size > BLOCK and p.flags.c_contiguous"
        " => self.elementwise and p.flags.c_contiguous:0",
        "Optimizer._move:edge:p.size > BLOCK => p.size >= BLOCK:0",
        "Optimizer._move:direction:p.size > BLOCK => p.size < BLOCK:0",
    ),
    "only the sign of agreement is used": (
        "Rprop.update:scale:agreement = prev * g => agreement = 2 * (prev * g):0",
        "Rprop.update:scale:agreement = prev * g => agreement = 0.5 * (prev * g):0",
    ),
    "is_first is only asked whether it is true, and −True, 2 · True and True / 2 are": (
        "SGD.advance:sign:{'is_first': is_first} => {'is_first': -is_first}:0",
        "SGD.advance:scale:{'is_first': is_first} => {'is_first': 2 * is_first}:0",
        "SGD.advance:scale:{'is_first': is_first} => {'is_first': 0.5 * is_first}:0",
    ),
    "the cosine is even, and n modulo −2 T is 0 just where n modulo 2 T is": (
        "CosineAnnealingLR.get_lr:sign:(self.last_epoch, self.T_max, self.eta_min) => (self.last_epoch, -self.T_max, self.eta_min):0",
    ),
    "the two differ by 2 T, modulo which they are taken": ("CosineAnnealingLR.get_lr:sign:t - 1 - T_max => t - 1 + T_max:0",),
    "last_epoch is below 0 only in the constructor, which steps without an epoch": (
        "CosineAnnealingWarmRestarts.step:condition:epoch is None and self.last_epoch < 0 => self.last_epoch < 0:0",
    ),
    "a point of slope 0 is flat, which was asked before": ("lbfgs.strong_wolfe:edge:point.slope >= 0 => point.slope > 0:0",),
    "the product is 0 where the slope is (then flat came before) or the bracket has no width (then the loop has ended)": (
        "lbfgs.strong_wolfe:edge:point.slope * (bracket[1 - low].t - bracket[low].t) >= 0"
        " => point.slope * (bracket[1 - low].t - bracket[low].t) > 0:0",
    ),
    "the middle of the bracket is further than the margin from both ends, so that this line is not reached": (
        "lbfgs.strong_wolfe:edge:abs(t - right) < abs(t - left) => abs(t - right) <= abs(t - left):0",
    ),
    "cubic_minimum never returns less than left": ("lbfgs.strong_wolfe:call:abs(t - left) => t - left:0",),
    "two points at one t are one point": ("lbfgs.cubic_minimum:edge:if a.t > b.t: => if a.t >= b.t::0",),
    "a vector has no transpose, and a dot product is the same both ways": (
        "gradients.dense_backward:transpose:dL_dx = dL_dz @ W.T => dL_dx = dL_dz.T @ W.T:0",
        "gradients.dense_jvp:transpose:dx @ W + x @ dW => dx.T @ W + x @ dW:0",
        "gradients.dense_jvp:transpose:dx @ W + x @ dW => dx @ W + x.T @ dW:0",
        "gradients.dense_hvp:transpose:dL_dz @ dW.T => dL_dz.T @ dW.T:0",
        "gradients.dense_hvp:transpose:d_dL_dz @ W.T => d_dL_dz.T @ W.T:0",
        "vectors.projection_backward:transpose:dot(a, b) / dot(b, b) => dot(b, a) / dot(b, b):0",
        "vectors.projection_backward:transpose:dot(dL_dy, b) => dot(b, dL_dy):0",
    ),
    "the score of the mean, (x − mean)/std², has std squared": (
        "expectation.Expectation.by_score_backward:sign:normal_log_prob_backward(dL_dlog_p, x, self.mean.data, self.std)"
        " => normal_log_prob_backward(dL_dlog_p, x, self.mean.data, -self.std):0",
    ),
    "only the square of y is used": ("gradients.dense_jvp:sign:dense(x, W, b) => -dense(x, W, b):0",),
    "A comes twice in the product": (
        "linear_regression.hessian:sign:with_ones(x) => -with_ones(x):0",
        "logistic_regression.hessian:sign:with_ones(x) => -with_ones(x):0",
        "softmax_regression.hessian:sign:with_ones(x) => -with_ones(x):0",
    ),
    "the Jacobian of a row's softmax is square and symmetric": (
        "softmax_regression.hessian:constant:A.shape[1] * J.shape[1] => A.shape[1] * J.shape[2]:0",
        "softmax_regression.hessian:transpose:np.einsum('ni,nj,nkl->ikjl', A, A, J, optimize=True)"
        " => np.einsum('ni,nj,nlk->ikjl', A, A, J, optimize=True):0",
    ),
    "it only says in which order the sums are worked out": ("softmax_regression.hessian:constant:optimize=True => optimize=False:0",),
    "it is 0 for a NaN only, and then 0/0 is NaN as 0 · NaN is": (
        "vectors.linf_norm_backward:delete:ties = np.maximum(ties, 1) => pass:0",
        "vectors.linf_norm_backward:extremum:np.maximum(ties, 1) => ties:0",
    ),
    "the matrix is symmetric, and the trace of a product the same both ways": (
        "ridge.solution_backward:transpose:X @ (dL_dM + dL_dM.T) => X @ (dL_dM + dL_dM.T).T:0",
        "ridge.effective_degrees_of_freedom_backward:transpose:dL_df * 2 * N * alpha * X @ M_2 => dL_df * 2 * N * alpha * X @ M_2.T:0",
        "ridge.effective_degrees_of_freedom_backward:transpose:X.T @ X @ M_2 => M_2 @ (X.T @ X):0",
        "ridge.effective_degrees_of_freedom_backward:transpose:X.T @ X @ M_2 => (X.T @ X).T @ M_2:0",
        "ridge.effective_degrees_of_freedom_backward:transpose:X.T @ X @ M_2 => X.T @ X @ M_2.T:0",
    ),
    "a vector is its own transpose": (
        "eigen.rayleigh_backward:transpose:A @ v + v @ A => A @ v.T + v @ A:0",
        "eigen.rayleigh_backward:transpose:A @ v + v @ A => A @ v + v.T @ A:0",
    ),
    "only the symmetric part of dL_dS is returned, and it is that of its transpose too": (
        "eigen.eigh_backward:transpose:V @ dL_dM @ V.T => V @ dL_dM.T @ V.T:0",
    ),
    "singular vectors do not know how long A is": (
        "pca.explained_variance_ratio_backward:scale:svdvals_backward(2 * S * dL_dsquares, X)"
        " => svdvals_backward(2 * S * dL_dsquares, 2 * X):0",
        "pca.explained_variance_ratio_backward:scale:svdvals_backward(2 * S * dL_dsquares, X)"
        " => svdvals_backward(2 * S * dL_dsquares, 0.5 * X):0",
        "svd.cond_backward:scale:svdvals_backward(dL_dS, A) => svdvals_backward(dL_dS, 2 * A):0",
        "svd.cond_backward:scale:svdvals_backward(dL_dS, A) => svdvals_backward(dL_dS, 0.5 * A):0",
        "svd.frobenius_error_backward:scale:svdvals_backward(dL_dS, A) => svdvals_backward(dL_dS, 2 * A):0",
        "svd.frobenius_error_backward:scale:svdvals_backward(dL_dS, A) => svdvals_backward(dL_dS, 0.5 * A):0",
        "svd.spectral_error_backward:scale:svdvals_backward(dL_dS, A) => svdvals_backward(dL_dS, 2 * A):0",
        "svd.spectral_error_backward:scale:svdvals_backward(dL_dS, A) => svdvals_backward(dL_dS, 0.5 * A):0",
    ),
    "the gradient of a length is a direction, which does not know how long it was": (
        "svd.frobenius_error_backward:scale:S = svdvals(A) => S = 2 * svdvals(A):0",
        "svd.frobenius_error_backward:scale:S = svdvals(A) => S = 0.5 * svdvals(A):0",
        "svd.frobenius_error_backward:scale:l2_norm_backward(dL_de, S[k:]) => l2_norm_backward(dL_de, 2 * S[k:]):0",
        "svd.frobenius_error_backward:scale:l2_norm_backward(dL_de, S[k:]) => l2_norm_backward(dL_de, 0.5 * S[k:]):0",
    ),
    "U Uᵀ, YᵀY and the projection A Y are symmetric": (
        "svd.rank_k_backward:transpose:U[:, :k] @ U[:, :k].T @ (dL_dY - dL_dY @ Vh.T @ Vh)"
        " => (U[:, :k] @ U[:, :k].T).T @ (dL_dY - dL_dY @ Vh.T @ Vh):0",
        "svd.pinv_backward:transpose:D - A @ Y @ D => D - (A @ Y).T @ D:0",
        "svd.pinv_backward:transpose:Y.T @ Y @ (D - D @ Y @ A) => (Y.T @ Y).T @ (D - D @ Y @ A):0",
    ),
    "rank_k of c A is c times that of A, so that its derivative is the same": (
        "pca.reconstruction_backward:sign:rank_k_backward(dL_dy, centred(x), k) => rank_k_backward(dL_dy, -centred(x), k):0",
        "pca.reconstruction_backward:scale:rank_k_backward(dL_dy, centred(x), k) => rank_k_backward(dL_dy, 2 * centred(x), k):0",
        "pca.reconstruction_backward:scale:rank_k_backward(dL_dy, centred(x), k) => rank_k_backward(dL_dy, 0.5 * centred(x), k):0",
    ),
    "the gradient of eigh is symmetric": ("pca.pca_by_covariance_backward:transpose:X @ dL_dC * 2 => X @ dL_dC.T * 2:0",),
    "(1, D) is added to every row, as (D,) is": (
        "pca.reconstruction_backward:axis:dL_dy.mean(axis=0) => dL_dy.mean(axis=0, keepdims=True):0",
    ),
    "what is not between is multiplied by 0": (
        "svd.rank_k_backward:constant:np.where(between, (larger - smaller) * (larger + smaller), 1)"
        " => np.where(between, (larger - smaller) * (larger + smaller), 2):0",
    ),
    "every row of U has the same, as S has": ("svd.svd_backward:saved:np.zeros_like(S) => np.zeros_like(U):0",),
    "S is as long as Vh": ("svd.rank_k_backward:saved:np.arange(len(S)) => np.arange(len(Vh)):0",),
    "nothing is exactly as large as the rounding, but in the zero matrix, at which tests/linear_algebra/test_svd.py looks": (
        "svd.svd_backward:edge:np.abs(S - S[:, None]) > rounding_of(A) => np.abs(S - S[:, None]) >= rounding_of(A):0",
        "svd.svd_backward:edge:rounding_of(A) < S => rounding_of(A) <= S:0",
    ),
    "that a gap is exactly as wide as the rounding does not happen": (
        "eigen.along_eigenvectors:edge:np.abs(gap) > rounding_of(λ) => np.abs(gap) >= rounding_of(λ):0",
    ),
    "Y comes twice in the product": ("matrices.inverse_backward:sign:Y = inverse(A) => Y = -inverse(A):0",),
    "i + j and i − j are both odd, or both even": ("matrices.cofactors:sign:(-1) ** (i + j) => (-1) ** (i - j):0",),
    "the batch is not read: two forwards before one backward save the same point": (
        "gradients.Descent.backward:stale:self.restore() => self._saved.pop(0):0",
        "optimizers.Optimizers.backward:stale:self.restore() => self._saved.pop(0):0",
    ),
    "only the gradient with respect to the second factor is used, and it does not depend on that factor": (
        "matrices.Matrices.backward:sign:product_backward(dL_dP, A, self.X.data) => product_backward(dL_dP, A, -self.X.data):0",
        "matrices.Matrices.backward:scale:product_backward(dL_dP, A, self.X.data) => product_backward(dL_dP, A, 2 * self.X.data):0",
        "matrices.Matrices.backward:scale:product_backward(dL_dP, A, self.X.data) => product_backward(dL_dP, A, 0.5 * self.X.data):0",
    ),
    "only the gradient with respect to w is used; a cosine does not know how long x is, and is odd in w": (
        "vectors.Vectors.backward:scale:cosine_similarity_backward(dL_dy, x, w) => cosine_similarity_backward(dL_dy, 2 * x, w):0",
        "vectors.Vectors.backward:scale:cosine_similarity_backward(dL_dy, x, w) => cosine_similarity_backward(dL_dy, 0.5 * x, w):0",
        "vectors.Vectors.backward:sign:cosine_similarity_backward(dL_dy, x, w) => cosine_similarity_backward(dL_dy, x, -w):0",
    ),
    "only the sign of z is used": (
        "perceptron.Perceptron.backward:scale:perceptron_loss_backward(dL_dloss, z, y) => perceptron_loss_backward(dL_dloss, 2 * z, y):0",
        "perceptron.Perceptron.backward:scale:perceptron_loss_backward(dL_dloss, z, y) => perceptron_loss_backward(dL_dloss, 0.5 * z, y):0",
    ),
    "there is one column, and the sum over all is added to the one entry of b": (
        "perceptron.Perceptron.backward:axis:dL_dz.sum(axis=0) => dL_dz.sum(axis=None):0",
    ),
    "what value.backward returns is a new array that nobody else holds": (
        "attention.Attention.backward:inplace:dL_de = dL_de + self.query.backward(dL_dq) => dL_de += self.query.backward(dL_dq):0",
    ),
    "any finite number would do: exp(−∞ − m) is 0, and exp(∞ − m) is ∞": (
        "functional.logsumexp:constant:np.where(np.isinf(m), 0, m) => np.where(np.isinf(m), 1, m):0",
    ),
    "the two have one length, one shape and one dtype": (
        "svd.LowRank.backward:saved:dL_dloss * 2 * (P - row) / row.size => dL_dloss * 2 * (P - row) / P.size:0",
        "pca.LinearAutoencoder.backward:saved:dL_dloss * 2 * (x_hat - x) / len(x) => dL_dloss * 2 * (x_hat - x) / len(z):0",
        "pca.LinearAutoencoder.backward:saved:dL_dloss * 2 * (x_hat - x) / len(x) => dL_dloss * 2 * (x_hat - x) / len(x_hat):0",
        "vectors.Vectors.backward:saved:np.full(len(x), -dL_dloss / len(x), x.dtype) => np.full(len(w), -dL_dloss / len(x), x.dtype):0",
        "vectors.Vectors.backward:saved:-dL_dloss / len(x) => -dL_dloss / len(w):0",
        "likelihood.Likelihood.backward:saved:np.full_like(p, -dL_dloss / len(heads)) => np.full_like(mean, -dL_dloss / len(heads)):0",
        "likelihood.Likelihood.backward:saved:np.full_like(p, -dL_dloss / len(heads)) => np.full_like(std, -dL_dloss / len(heads)):0",
        "likelihood.Likelihood.backward:saved:-dL_dloss / len(heads) => -dL_dloss / len(rolled):0",
    ),
    "tanh is odd, and only its square is used": (
        "floating_point.rounded_tanh_backward:sign:np.tanh(low(x, format)) => -np.tanh(low(x, format)):0",
        "floating_point.FloatingPoint.backward:sign:rounded_tanh_backward(dL_dh, z1, self.format)"
        " => rounded_tanh_backward(dL_dh, -z1, self.format):0",
    ),
    "only the gradients with respect to the means are used, and a scale stands in them squared": (
        "bayes.negative_log_posterior_backward:sign:normal_nll_backward(dL_dloss, x @ W + b, scale, y)"
        " => normal_nll_backward(dL_dloss, x @ W + b, -scale, y):0",
        "bayes.negative_log_posterior_backward:sign:normal_log_prob_backward(dL_dprior, W, np.zeros_like(prior_scale), prior_scale)"
        " => normal_log_prob_backward(dL_dprior, W, np.zeros_like(prior_scale), -prior_scale):0",
        "bayes.Bayes.backward:sign:negative_log_posterior_backward(dL_dloss, x, y, W, b, self.scale, self.prior_scale, self.rows)"
        " => negative_log_posterior_backward(dL_dloss, x, y, W, b, -self.scale, self.prior_scale, self.rows):0",
        "bayes.Bayes.backward:sign:self.prior_scale => -self.prior_scale:0",
    ),
}

EQUIVALENT: dict[str, str] = {mutant: reason for reason, mutants in BY_REASON.items() for mutant in mutants}
