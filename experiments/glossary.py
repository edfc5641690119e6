"""Every symbol and term of the lessons: how it is said, what it is in NumPy, what it means, and which concept introduces it.

A term may be used by the concept that introduces it and by those that are read after it; a test reads the lessons and sees to that.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Term(NamedTuple):
    """One entry.

    Args:
        term: as the lessons write it.
        said: how it is read aloud.
        numpy: in code; empty where it is no expression.
        meaning: in one sentence.
        concept: that introduces it.
        pattern: a regular expression that finds it in a text; the term itself, as a whole word, unless given.
    """

    term: str
    said: str
    numpy: str
    meaning: str
    concept: str
    pattern: str = ""

    def is_in(self, text: str) -> bool:
        """Whether a text uses it."""
        return re.search(self.pattern or rf"(?<!\w){re.escape(self.term)}(?!\w)", text) is not None


TERMS = (
    # ---- one weight ----
    Term("weight", "weight", "w", "a number that training finds; a network is made of them", "one_weight"),
    Term("loss", "loss", "loss", "one number that says how wrong a network is; training makes it small", "one_weight"),
    Term("ŷ", "y hat", "y_hat", "what is predicted, where y is what was measured", "one_weight"),
    Term("mean", "mean", ".mean()", "the numbers added up, divided by how many there are", "one_weight"),
    Term("(ŷ − y)²", "y hat minus y, squared", "(y_hat - y) ** 2", "the error times itself: never below 0", "one_weight", r"\(ŷ − y\)²"),
    Term("∂L/∂w", "d L d w", "dL_dw", "how fast L grows when w grows and nothing else changes", "one_weight"),
    Term("forward", "forward", "forward(x, ...)", "the way from the input to the prediction", "one_weight", r"`forward`|forward:"),
    Term("backward", "backward", "backward(...)", "the way back: how fast the loss grows with each number", "one_weight", "backward:"),
    Term("slope", "slope", "dL_dw", "how steep the curve of the loss is where we stand", "one_weight", r"[Tt]he slope"),
    Term("←", "becomes", "w = w - lr * dL_dw", "the new number takes the place of the old one", "one_weight", "←"),
    Term("ε", "epsilon", "eps", "a change, as small as you please", "one_weight"),
    Term("Σₙ", "the sum over n", ".sum()", "the sum over all n examples", "one_weight"),
    Term("lr", "learning rate", "lr", "what turns a slope into the length of a step", "one_weight"),
    Term("curvature", "curvature", "c", "how fast the slope itself grows with w", "one_weight"),
    Term("w*", "w star", "best_weight(x, y)", "the best weight, where the loss is lowest", "one_weight", r"w\*"),
    # ---- derivatives ----
    Term("derivative", "derivative", "dy_dx", "how fast one number grows when another one does: a speed", "derivatives"),
    Term("∂y/∂x", "d y d x", "dy_dx", "how fast y grows when x grows, whatever x and y are", "derivatives"),
    Term("f(x)", "f of x", "f(x)", "what the function f makes of x", "derivatives", r"f\(x\)"),
    Term("≈", "is nearly", "np.isclose(a, b)", "nearly equal", "derivatives", "≈"),
    Term("tangent", "tangent", "", "the straight line that a curve has nearly become, seen from near", "derivatives"),
    Term("xⁿ", "x to the power n", "x**n", "n factors x, multiplied", "derivatives"),
    Term("eˣ", "e to the x", "np.exp(x)", "the power x of e = 2.718…, which grows as fast as it is large", "derivatives"),
    Term("log", "log", "np.log(x)", "which power of e is x? What undoes eˣ", "derivatives"),
    Term("chain rule", "chain rule", "dL_dy * dy_da", "speeds multiply where one thing moves the next", "derivatives"),
    # ---- vectors ----
    Term("vector", "vector", "np.array([3.0, 4.0])", "a list of numbers, with a length and a direction", "vectors", "vectors?"),
    Term("a[0]", "a zero", "a[0]", "the first entry of a vector: entries are counted from 0", "vectors", r"a\[0\]"),
    Term("a · b", "a dot b", "(a * b).sum()", "the dot product: entries multiplied one by one, and added up", "vectors", "dot product"),
    Term("√", "root of", "np.sqrt(x)", "the number whose square it is: √25 = 5", "vectors", "√"),
    Term("‖a‖", "the length of a", "np.linalg.norm(a)", "the root of the sum of all a[i]²", "vectors"),
    Term("cosine", "cosine", "a @ b / (norm(a) * norm(b))", "1: the same direction, 0: at right angles, −1: opposite", "vectors"),
    Term("(N, D)", "N by D", "x.shape", "N rows of D numbers each: N vectors in one table", "vectors", r"\(N, D\)"),
    # ---- matrices ----
    Term("matrix", "matrix", "A", "a table of numbers", "matrices", "[Mm]atri(x|ces)"),
    Term("shape", "shape", "A.shape", "how many rows and columns there are: (4, 2) is 4 rows of 2", "matrices", r"\*shape\*"),
    Term("A[i, j]", "A i j", "A[i, j]", "the number in row i and column j, counted from 0", "matrices", r"A\[i, j\]"),
    Term("Σₖ", "the sum over k", ".sum()", "the sum over all k, as Σₙ is over all n", "matrices"),
    Term("A B", "A times B", "A @ B", "the product: each row of A, dotted with each column of B", "matrices", r"A B|A @ B"),
    Term("(in, out)", "in, out", "W.shape", "a row for each input and a column for each output", "matrices", r"\(in, out\)"),
    Term("(out, in)", "out, in", "W.shape", "how torch keeps a weight: a row for each output", "matrices", r"\(out, in\)"),
    Term("broadcasting", "broadcasting", "X + b", "what is too small is used again and again", "matrices", "[Bb]roadcasting"),
    Term("ᵀ", "transposed", "A.T", "rows and columns exchanged", "matrices", "ᵀ"),
    Term("bias", "bias", "b", "a number that is added, whatever the input is", "matrices"),
    Term("determinant", "determinant", "np.linalg.det(A)", "how many times larger a matrix makes areas", "matrices"),
    Term("A⁻¹", "A inverse", "np.linalg.inv(A)", "the matrix that undoes A: A⁻¹ A = I", "matrices", "A⁻¹"),
    Term("I", "the identity", "np.eye(n)", "1 on the diagonal and 0 elsewhere: it changes nothing", "matrices", r"\*identity\* I"),
    # ---- a straight line ----
    Term(
        "feature", "feature", "x[:, i]", "one thing that is known of every example: a column of the data", "linear_regression", "features?"
    ),
    Term("example", "example", "x[n]", "one of those that is learned from: a row of the data", "linear_regression", r"\*example\*"),
    Term("residual", "residual", "y_hat - y", "what a guess is off by", "linear_regression", "residuals?"),
    Term("gradient", "gradient", "", "all the slopes together, one for each number that is learned", "linear_regression"),
    Term("momentum", "momentum", "v = momentum * v + dL_dW", "the part of its last step that a walk keeps", "linear_regression"),
    Term("standard deviation", "standard deviation", "x.std(axis=0)", "how far from their mean numbers typically lie", "linear_regression"),
    Term(
        "standardised",
        "standardised",
        "(x - x.mean(axis=0)) / x.std(axis=0)",
        "made to have mean 0 and standard deviation 1",
        "linear_regression",
    ),
    Term("held out", "held out", "", "not shown in training, to see what was learned", "linear_regression"),
    Term("R²", "R squared", "1 - (r**2).sum() / ((y - y.mean())**2).sum()", "what part of how y varies is explained", "linear_regression"),
    # ---- yes or no ----
    Term("logit", "logit", "x @ W + b", "a score before it is made a probability: 0 is undecided", "logistic_regression"),
    Term("probability", "probability", "p", "how sure a yes is: a number between 0 and 1", "logistic_regression"),
    Term("sigmoid", "sigmoid", "1 / (1 + np.exp(-z))", "makes a probability of a score", "logistic_regression"),
    Term(
        "cross-entropy", "cross entropy", "-np.log(p)", "the loss of a probability: minus its log, if it came true", "logistic_regression"
    ),
    Term("neuron", "neuron", "sigmoid(x @ w + b)", "a weighted sum and a squash", "logistic_regression", "neurons?"),
    Term("alpha", "alpha", "alpha", "what long weights cost", "logistic_regression"),
    Term("p − y", "p minus y", "p - y", "what was predicted minus what is: the gradient at the scores", "logistic_regression"),
    # ---- gradients ----
    Term(
        "partial derivative",
        "partial derivative",
        "dL_dw",
        "a slope along one direction, all others held still",
        "gradients",
        "partial derivatives?",
    ),
    Term("∇f", "nabla f", "g", "the gradient of f, in books", "gradients", "∇f"),
    Term("contour", "contour", "ax.contour(...)", "a line of equal height", "gradients", r"\*contours\*"),
    Term("minimum", "minimum", "", "the lowest place around", "gradients", r"\*minimum\*"),
    Term("saddle", "saddle", "", "level ground that rises along one direction and falls along another", "gradients"),
    Term("Jacobian", "Jacobian", "dy_dx", "the gradients of several outputs, a row for each", "gradients"),
    # ---- the chain rule ----
    Term("σ", "sigma", "sigmoid(z)", "the sigmoid 1 / (1 + e⁻ᶻ), which squeezes any number between 0 and 1", "chain_rule"),
    Term("σ′", "sigma prime", "a * (1 - a)", "the slope of the sigmoid: a (1 − a) where a = σ(z)", "chain_rule"),
    Term("hidden unit", "hidden unit", "a1[:, j]", "a number between input and output that a network makes", "chain_rule", "hidden units?"),
    Term("z1", "z one", "x @ W1 + b1", "what the units of the first layer receive", "chain_rule"),
    Term("error", "error", "dL_dz", "∂L/∂z: how much the loss moves with what a unit receives", "chain_rule", "error at the output"),
    Term("BP1", "B P one", "error_at_output", "the first of the four equations of backpropagation", "chain_rule", r"BP[1-4]"),
    Term("optimizer", "optimizer", "optim.SGD", "what takes the step, when the gradient is known", "chain_rule"),
    Term("backpropagation", "backpropagation", "", "the chain rule, from the loss back to every number, each path once", "chain_rule"),
    # ---- autograd ----
    Term("graph", "graph", "loss.grad_fn", "what a machine remembers of how a number was made", "autograd"),
    Term("node", "node", "y.grad_fn", "one step that was computed, and how to go back from it", "autograd", r"\*?nodes?\b"),
    Term("topological", "topological", "in_order(y.grad_fn)", "an order in which no step comes before one that it waits for", "autograd"),
    Term("tensor", "tensor", "Tensor(x)", "an array that may remember how it was made", "autograd", "tensors?"),
    Term("leaf", "leaf", "Tensor(x, requires_grad=True)", "a tensor that no step made: a weight, or the data", "autograd", r"\*leaf\*"),
    Term("requires_grad", "requires grad", "requires_grad=True", "says that the gradient of a tensor is wanted", "autograd"),
    Term("grad_fn", "grad f n", "y.grad_fn", "the node that made a tensor", "autograd"),
    # ---- the training loop ----
    Term("epoch", "epoch", "", "one round in which every example is seen once", "training_loop", "epochs?"),
    Term("batch", "batch", "x[i : i + 4]", "the few examples that one step looks at", "training_loop", "[Bb]atch(es)?"),
    Term("SGD", "S G D", "optim.SGD", "stochastic gradient descent: steps on batches that are drawn at random", "training_loop"),
    Term("vectorised", "vectorised", "x @ W", "one product for all rows in place of a loop over them", "training_loop"),
    Term("GPU", "G P U", 'x.to("cuda")', "thousands of small processors that work side by side", "training_loop", "GPUs?"),
    Term("noise", "noise", "rng.normal(...)", "what is by chance so, and would be otherwise another time", "training_loop"),
    Term("hyperparameter", "hyperparameter", "lr", "a number that you choose and training does not", "training_loop", "hyperparameters?"),
    Term(
        "fine-tuning", "fine-tuning", "", "to train on, from weights that were trained on something else", "training_loop", "[Ff]ine-tuning"
    ),
    Term("overfits", "overfits", "", "learns the noise of its examples: on others it gets worse", "training_loop", "overfit(s|ting)"),
    # ---- a hidden layer ----
    Term("ReLU", "rel you", "np.maximum(z, 0)", "what is below 0 becomes 0", "hidden_layer"),
    Term("crease", "crease", "x @ W1[:, j] + b1[j] == 0", "the line on whose one side a unit is 0", "hidden_layer"),
    Term("latent", "latent", "h", "hidden: made between input and output, and never given", "hidden_layer"),
    # ---- reading digits ----
    Term("dropout", "dropout", "nn.Dropout(p)", "in training a part of the units is set to 0, at random", "digits_mlp"),
    Term("Adam", "Adam", "optim.Adam(...)", "gradient descent whose steps are about lr long, whatever the gradient", "digits_mlp"),
    Term("softmax", "softmax", "softmax(z, axis=1)", "e to each score, divided by their sum: probabilities", "digits_mlp", "[Ss]oftmax"),
    # ---- eigenvectors ----
    Term("eigenvector", "eigenvector", "V[:, j]", "an arrow that a matrix only stretches, and does not turn", "eigen", r"\*eigenvector\*"),
    Term("eigenvalue", "eigenvalue", "λ[j]", "how much it is stretched", "eigen", r"\*eigenvalue\*"),
    Term("A v = λ v", "A v is lambda v", "A @ v == λ * v", "v is an eigenvector of A, and λ its eigenvalue", "eigen"),
    Term("symmetric", "symmetric", "(A == A.T).all()", "of a matrix: it is its own transpose", "eigen", r"\*symmetric\*"),
    Term("R(v)", "Rayleigh's quotient", "v @ A @ v / (v @ v)", "how much A stretches v along v", "eigen"),
    Term("power iteration", "power iteration", "v = A @ v", "what is stretched most wins in the end", "eigen", "power_iteration"),
    # ---- singular values ----
    Term("singular value", "singular value", "np.linalg.svd(A)[1]", "how much a matrix stretches along one of its axes", "svd"),
    Term("rank", "rank", "np.linalg.matrix_rank(A)", "how many pieces, a column times a row each, a matrix takes", "svd", r"\*rank\*"),
    Term("u vᵀ", "u v transposed", "np.outer(u, v)", "a column times a row: each entry of the one times each of the other", "svd"),
    # ---- principal components ----
    Term("component", "component", "", "a direction along which points are spread most", "pca", r"\*component\*"),
    Term("x̄", "x bar", "x.mean(axis=0)", "the mean of x", "pca", "x̄"),
    Term("autoencoder", "autoencoder", "", "a network that squeezes its input through a few numbers and rebuilds it", "pca"),
    # ---- optimizers ----
    Term("√s", "root of s", "np.sqrt(s)", "how large a gradient usually is, of late", "optimizers", "√s"),
    Term("RMSprop", "r m s prop", "optim.RMSprop(...)", "gradient descent with each slope over its usual size", "optimizers"),
    Term("AdamW", "Adam w", "optim.AdamW(...)", "Adam, and beside it a pull to 0", "optimizers"),
    # ---- annealing ----
    Term("annealing", "annealing", "", "a search by jumps that climbs too, less and less as it cools", "annealing"),
    Term("temperature", "temperature", "T", "how high a climb still has a good chance", "annealing"),
    Term("acceptance", "acceptance", "np.exp(-climb / T)", "the probability that a jump to a higher place is made", "annealing"),
    Term("Δ", "delta", "f(there) - f(here)", "how much higher it is there", "annealing", "Δ"),
    # ---- likelihood ----
    Term("likelihood", "likelihood", "p**k * (1 - p) ** (n - k)", "how probable a guess makes what was seen", "likelihood"),
    Term("maximum likelihood", "maximum likelihood", "", "the guess that makes what was seen most probable", "likelihood"),
    Term("log-likelihood", "log likelihood", "", "the log of the likelihood: a sum, with its top at the same place", "likelihood"),
    Term("bell curve", "bell curve", "", "the curve of numbers many of which lie near their mean, and few far off", "likelihood"),
    Term("score", "score", "", "the slope of a log-likelihood, or of a log-density, in a parameter", "likelihood", r"the \*score\*"),
    # ---- distributions ----
    Term("distribution", "distribution", "", "how probable each outcome is", "distributions", r"\*distribution\*"),
    Term(
        "density", "density", "", "the curve over a line under which the area is 1: where it is high, numbers are likely", "distributions"
    ),
    Term("log-density", "log density", "normal_log_prob(...)", "the log of the density at a number", "distributions"),
    Term(
        "sample",
        "sample",
        "rng.normal(loc, scale)",
        "to draw a number from a distribution; also the number",
        "distributions",
        r"to \*sample\*",
    ),
    Term("n over k", "n choose k", "scipy.special.comb(n, k)", "in how many ways k of n can be chosen", "distributions"),
    Term("surprise", "surprise", "-np.log(p)", "minus the log of how probable it was: 0 for what was sure", "distributions"),
    Term("entropy", "entropy", "-(p * np.log(p)).sum()", "the surprise that is to be expected", "distributions", r"\*entropy\*"),
    # ---- numbers that go together ----
    Term(
        "L Lᵀ", "L L transposed", "L @ L.T", "a covariance, as the product of a lower triangle with its mirror image", "multivariate_normal"
    ),
    Term("covariance", "covariance", "np.cov(x.T)", "how much two numbers go up and down together", "multivariate_normal"),
    Term("det L", "determinant of L", "L.diagonal().prod()", "by what L makes areas larger", "multivariate_normal"),
    # ---- expectation ----
    Term("E[f]", "the expectation of f", "(p * f).sum()", "where the average of many draws of f settles", "expectation", r"E\[f\]"),
    Term("Var[f]", "the variance of f", "x.var()", "the expectation of (f − E[f])²: how far draws scatter", "expectation", r"Var\[f\]"),
    Term("standard error", "standard error", "x.std() / np.sqrt(N)", "how far off a mean of N samples is, typically", "expectation"),
    Term("Monte Carlo", "Monte Carlo", "x.mean()", "to average draws where an expectation is asked for", "expectation"),
    Term(
        "reparameterisation", "reparameterisation", "mean + std * eps", "a draw made of noise that no weight has a part in", "expectation"
    ),
    # ---- bayes ----
    Term("p(x | h)", "p of x given h", "", "how probable x is where h is true", "bayes", r"p\(x \| h\)"),
    Term("prior", "prior", "", "what was believed before something was seen", "bayes"),
    Term("posterior", "posterior", "", "what is believed after it was seen", "bayes"),
    Term("evidence", "evidence", "likelihood @ prior", "how probable what was seen was, before it was known what is true", "bayes"),
    Term("MAP", "map", "", "what is most probable after something was seen", "bayes"),
    # ---- information ----
    Term("bit", "bit", "nats / np.log(2)", "one yes-or-no question: the surprise of a fair coin", "information", r"\*bit\*"),
    Term("nats", "nats", "", "the unit of surprise where the logarithm is the natural one", "information"),
    Term(
        "KL(p‖q)",
        "the K L divergence from p to q",
        "(p * np.log(p / q)).sum()",
        "how far q is from the truth p",
        "information",
        r"KL\(p‖q\)",
    ),
    # ---- rounding ----
    Term("floating point", "floating point", "x.dtype", "a sign, a few digits and a power of two: a computer's numbers", "rounding"),
    Term("exponent", "exponent", "np.frexp(x)[1]", "the power of two of a number: how large it is", "rounding", r"\*exponent\*"),
    Term("fraction", "fraction", "np.frexp(x)[0]", "the digits of a number", "rounding", r"\*fraction\*"),
    Term("spacing", "spacing", "np.spacing(x)", "from a number to the next that there is", "rounding"),
    Term("ties to even", "ties to even", "np.round(x)", "of two numbers that are as near, the one whose last digit is 0", "rounding"),
    # ---- summation ----
    Term("Kahan's sum", "Kahan's sum", "", "a sum that takes down what each addition has lost", "summation"),
    Term("in pairs", "in pairs", "np.sum", "a sum of sums of two, and of sums of those: its terms are of one size", "summation"),
    # ---- mixed precision ----
    Term("float16", "float sixteen", "np.float16", "16 bits: 11 binary digits and a short range", "mixed_precision", "float16, which has"),
    Term("bfloat16", "b float sixteen", "torch.bfloat16", "16 bits: 8 binary digits and float32's range", "mixed_precision"),
    Term("master weights", "master weights", "", "the weights in full precision, to which the steps are added", "mixed_precision"),
    Term("loss scaling", "loss scaling", "scaler.scale(loss)", "the loss times a number, lest gradients round to 0", "mixed_precision"),
    # ---- softmax without overflow ----
    Term("log-sum-exp", "log sum exp", "logsumexp(z)", "the log of the sum of e to each score: nearly the largest of them", "softmax"),
    Term("log-softmax", "log softmax", "log_softmax(z)", "the log of each probability, straight from the scores", "softmax"),
    Term("δₖⱼ", "delta k j", "np.eye(K)[k, j]", "1 where k = j, else 0", "softmax"),
    # ---- conditioning ----
    Term("κ", "kappa", "np.linalg.cond(H)", "the condition number: the steepest curvature over the flattest", "conditioning"),
    Term("L*", "L star", "L.min()", "the lowest loss that there is", "conditioning", r"L\*"),
    # ---- ridge ----
    Term("weight decay", "weight decay", "2 * lr * alpha * W", "at each step every weight is made a little smaller", "ridge"),
    Term("intercept", "intercept", "b", "where the line is at x = 0: the bias of a line", "ridge"),
    # ---- lasso ----
    Term("|w|", "the size of w", "np.abs(w)", "w without its sign", "lasso", r"\|w\|"),
    Term("subgradient", "subgradient", "np.sign(w)", "at a kink: the slope of any line that touches from below", "lasso"),
    Term(
        "soft threshold",
        "soft threshold",
        "np.sign(z) * np.maximum(np.abs(z) - t, 0)",
        "towards 0 by t, and not past it",
        "lasso",
        "soft_threshold",
    ),
    # ---- perceptron ----
    Term("margin", "margin", "(y * (x @ W + b)).min()", "how far the nearest point is on its right side", "perceptron"),
    # ---- which of many ----
    Term("p[n, k]", "p n k", "p[n, k]", "the probability of class k for example n", "softmax_regression", r"p\[n, k\]"),
    # ---- minibatches ----
    Term("θ", "theta", "theta", "a number that is learned; in books all of them together", "minibatches", "θ"),
    Term("σ²/B", "sigma squared over B", "g.var() / B", "how noisy the gradient of a batch of B examples is", "minibatches", "σ²/B"),
    Term("spread", "spread", "(theta**2).mean()", "the mean squared distance from the best", "minibatches", r"\*spread\*"),
    Term("stationary", "stationary", "", "no longer changing as a whole, though each single number still moves", "minibatches"),
    Term("linear scaling", "linear scaling", "lr * B / 8", "to make lr as many times larger as the batch", "minibatches"),
    # ---- overfitting ----
    Term("polynomial", "polynomial", "powers(x, degree) @ c", "a weighted sum of powers of x", "overfitting", r"\*polynomial\*"),
    Term("degree", "degree", "len(c) - 1", "the highest power in a polynomial", "overfitting", r"\*degree\*"),
    Term("early stopping", "early stopping", "", "to keep the weights that were best on the validation set", "overfitting"),
    Term("validation set", "validation set", "", "what is chosen by, and not learned from", "overfitting", r"\*validation set\*"),
    Term("test set", "test set", "", "what is looked at last: nothing was learned from it or chosen by it", "overfitting", r"\*test set\*"),
    # ---- dropout ----
    Term("mask", "mask", "rng.random(x.shape) >= p", "says of each number whether it is kept or left out", "dropout", r"\*mask\*"),
    Term("x̃", "x tilde", "x * keep / (1 - p)", "what a mask lets through", "dropout", "x̃"),
    Term("inverted dropout", "inverted dropout", "x * keep / (1 - p)", "dropout that divides in training", "dropout"),
    Term("eval mode", "eval mode", "model.eval()", "how a network answers when it is not trained", "dropout"),
    # ---- five activations ----
    Term("activation", "activation", "nn.Tanh()", "the bent curve between two layers", "activations", r"\*activation\*"),
    Term("tanh", "tan h", "np.tanh(z)", "the sigmoid, stretched to lie between −1 and 1", "activations"),
    Term("Φ(z)", "phi of z", "scipy.special.ndtr(z)", "the probability of a standard normal number below z", "activations", r"Φ\(z\)"),
    Term("GELU", "gelu", "nn.GELU()", "z Φ(z): a ReLU with a round corner", "activations"),
    Term("SiLU", "silu", "nn.SiLU()", "z σ(z): a ReLU with a round corner", "activations"),
    Term("‖W‖", "the norm of W", "np.linalg.norm(W, 2)", "the most by which a matrix makes an arrow longer", "activations"),
    Term("vanishing gradient", "vanishing gradient", "", "what comes back through many layers is nearly 0", "activations"),
    Term("dead", "dead", "(h == 0).all(axis=0)", "of a ReLU: 0 for every example, so that it gets no gradient", "activations", r"\*dead\*"),
    # ---- where weights begin ----
    Term("fan_in", "fan in", "W.shape[1]", "how many numbers a unit adds up", "initialization"),
    Term("variance", "variance", "(w**2).mean()", "the mean of the square, of numbers whose mean is 0", "initialization"),
    Term("factor", "factor", "fan_in * v / 2", "by what a layer multiplies the mean square of what passes", "initialization"),
    Term("plateau", "plateau", "", "where the loss hardly moves for long, and then falls", "initialization"),
    # ---- normalisation ----
    Term("normalisation", "normalisation", "nn.BatchNorm1d(D)", "what brings numbers to one size", "normalization", "[Nn]ormalisation"),
    Term("layer norm", "layer norm", "nn.LayerNorm(D)", "each example less its mean, over its deviation", "normalization", "[Ll]ayer norm"),
    Term("RMS norm", "RMS norm", "nn.RMSNorm(D)", "each example over the root of the mean of its squares", "normalization"),
    Term("z_hat", "z hat", "(z - z.mean(0)) / z.std(0)", "z, brought to one size", "normalization"),
    # ---- convolution ----
    Term("kernel", "kernel", "conv.weight[j, i]", "a small window of weights that slides over an image", "convolution"),
    Term("channel", "channel", "x[:, j]", "one of the images that a convolution looks at, or makes", "convolution", "channels?"),
    Term("convolution", "convolution", "nn.Conv2d", "at each place of an image: kernel times what lies below it, added up", "convolution"),
    Term("padding", "padding", "np.pad(x, 1)", "a border of zeros around an image", "convolution"),
    Term("stride", "stride", "stride=2", "how many pixels a kernel moves on", "convolution"),
    Term("dilation", "dilation", "dilation=2", "how many pixels the weights of a kernel lie apart", "convolution"),
    Term("⌊ ⌋", "rounded down", "//", "the whole number below", "convolution", "⌊"),
    Term(
        "transposed convolution",
        "transposed convolution",
        "nn.ConvTranspose2d",
        "each number lays the kernel, times itself, into an image: a convolution's way back",
        "convolution",
    ),
    Term("correlation", "correlation", "scipy.signal.correlate", "a convolution whose kernel is not flipped", "convolution"),
    # ---- digits by convolutions ----
    Term("batch norm", "batch norm", "nn.BatchNorm2d", "each channel less its mean over the batch, over its deviation", "digits_cnn"),
    Term("max pool", "max pool", "nn.MaxPool2d", "of each window the largest number", "digits_cnn", "[Mm]ax pool(ing)?"),
    # ---- thirty layers ----
    Term(
        "residual block",
        "residual block",
        "h + f(h)",
        "it finds what is to be added to what is there",
        "residual",
        r"\*residual block\*",
    ),
    Term("skip connection", "skip connection", "h", "the way around a block, on which what is there comes through as it is", "residual"),
    # ---- old digits and new ones ----
    Term(
        "features",
        "features",
        "model.body(x)",
        "what a network sees: the numbers that its last layer is given",
        "transfer",
        r"\*features\*",
    ),
    Term("frozen", "frozen", "p.requires_grad = False", "kept as it is while others learn", "transfer", r"\*frozen\*"),
    # ---- how sure and how right ----
    Term("confidence", "confidence", "p.max(axis=1)", "how probable it says its answer is", "calibration", r"\*confidence\*"),
    Term("calibrated", "calibrated", "", "right as often as it says that it will be", "calibration", r"\*calibrated\*"),
    Term("ECE", "e c e", "calibration_error(...)", "how far sure is from right, on average: expected calibration error", "calibration"),
    Term("temperature scaling", "temperature scaling", "z / T", "all scores over one number, so that p is less sure", "calibration"),
    # ---- as many features as examples ----
    Term(
        "random feature",
        "random feature",
        "np.tanh(x @ W + b)",
        "a hidden unit that is drawn and not trained",
        "double_descent",
        r"\*random\s+feature\*",
    ),
    Term(
        "pseudo-inverse",
        "pseudo inverse",
        "np.linalg.pinv(phi)",
        "what gives the shortest of all best answers",
        "double_descent",
        r"\*pseudo-inverse\*",
    ),
    # ---- what comes next ----
    Term("bigram", "bigram", "text[i : i + 2]", "two neighbours in a text", "bigrams", r"\*bigram\*"),
    Term(
        "bits per character",
        "bits per character",
        "loss / np.log(2)",
        "how many yes-or-no questions the next character takes, on average",
        "bigrams",
        r"\*bits per\s+character\*",
    ),
    Term("c[a, b]", "c a b", "count(text, symbols)[a, b]", "how often a is followed by b", "bigrams", r"c\[a, b\]"),
    # ---- words ----
    Term("skip-gram", "skip gram", "game(s, n, negatives)", "to tell real pairs of words from false ones", "word_vectors", r"\*skip-gram"),
    Term("negative", "negative", "k * by_chance(n)", "a false pair, thrown together by chance", "word_vectors", r"\*negative\*"),
    Term("PMI", "p m i", "pmi(n)", "the log of how much more often than by chance two words meet", "word_vectors"),
    # ---- a network with a memory ----
    Term("sequence", "sequence", "x[n]", "what is read step by step: a sentence, a melody", "rnn", r"\*sequence\*"),
    Term("RNN", "R N N", "nn.RNN", "a recurrent network: the same weights at every step, and a state that is handed on", "rnn"),
    Term("state", "state", "h[t]", "the numbers that a recurrent network remembers what it has read by", "rnn", r"\*state\*"),
    Term("h[t]", "h t", "h[:, t]", "the state after step t", "rnn", r"h\[t\]"),
    Term(
        "backpropagation through time",
        "backpropagation through time",
        "",
        "the way back through all steps, last first; a weight's uses add up",
        "rnn",
    ),
    Term("vanishes", "vanishes", "", "of a gradient: nearly nothing of it is left many steps back", "rnn", r"\*vanishes\*"),
    Term("explodes", "explodes", "", "of a gradient: it is huge many steps back", "rnn", r"\*explodes\*"),
    Term("clipping", "clipping", "clip_grad_norm_(parameters, 1.0)", "a gradient that is too long is shortened", "rnn", "[Cc]lipping"),
    # ---- a memory with gates ----
    Term("LSTM", "L S T M", "nn.LSTM", "long short-term memory: a recurrent network with a memory and three gates", "lstm"),
    Term("memory", "memory", "c[t]", "numbers that pass through no matrix from step to step", "lstm", r"\*\*memory\*\*"),
    Term("gate", "gate", "f * c", "numbers between 0 and 1 by which others are multiplied", "lstm", r"\*\*gates\*\*"),
    Term("forget gate", "forget gate", "f", "how much of the memory is kept", "lstm"),
    # ---- two gates ----
    Term("GRU", "G R U", "nn.GRU", "gated recurrent unit: a state that each step replaces in part", "gru"),
    Term("update gate", "update gate", "u", "how much of the state is kept", "gru", r"\*update gate\*"),
    Term("reset gate", "reset gate", "r", "how much of the past what is new may depend on", "gru", r"\*reset gate\*"),
    # ---- attention ----
    Term("token", "token", "x[n, t]", "one of the signs that a sequence is made of, as a number", "attention", r"\*token\*"),
    Term("embedding", "embedding", "nn.Embedding", "a row of numbers for each token, which is learned", "attention", "embeddings?"),
    Term("query", "query", "q", "what a place asks for", "attention"),
    Term("key", "key", "k", "what a place answers to", "attention", r"\*key\*"),
    Term("value", "value", "v", "what a place has to tell", "attention", r"\*value\*"),
    Term(
        "√d_k",
        "root of d k",
        "math.sqrt(d_k)",
        "how the size of a dot product grows with its length: what scores are divided by",
        "attention",
    ),
    Term("causal mask", "causal mask", "is_causal=True", "no place sees what comes after it", "attention"),
    # ---- from one sequence to another ----
    Term("encoder", "encoder", "h, last = encoder(e)", "the network that reads a sequence", "seq2seq", r"\*\*encoder\*\*"),
    Term("decoder", "decoder", "s, _ = decoder(d, last)", "the network that writes one", "seq2seq", r"\*\*decoder\*\*"),
    Term(
        "teacher forcing", "teacher forcing", "", "in training the right symbols are read, not those written", "seq2seq", "Teacher forcing"
    ),
    # ---- which place is where ----
    Term(
        "permutation equivariant",
        "permutation equivariant",
        "f(x[order]) == f(x)[order]",
        "what is shuffled comes out shuffled, and is else the same",
        "positions",
        r"\*permutation equivariant\*",
    ),
    Term("θᵢ", "theta i", "BASE ** (-2 * i / D)", "how far pair i turns from one place to the next", "positions"),
    Term(
        "rotary",
        "rotary",
        "rotate(q, angle)",
        "positions that turn queries and keys, so that scores know only distances",
        "positions",
        r"\*Rotary\*",
    ),
    Term("sinusoidal", "sinusoidal", "sinusoidal(T, D)", "positions as sines and cosines, added to embeddings", "positions"),
    # ---- several heads ----
    Term(
        "head",
        "head",
        "split(x, H)[:, h]",
        "one of several attentions side by side, each with its piece of the numbers",
        "multihead_attention",
        r"\*heads\*",
    ),
    Term(
        "multi-head attention",
        "multi head attention",
        "nn.MultiheadAttention",
        "several heads look, each for itself, and what they find is joined",
        "multihead_attention",
        r"\*Multi-head attention\*",
    ),
    # ---- a transformer block ----
    Term(
        "residual connection",
        "residual connection",
        "x + f(x)",
        "a shortcut: what f makes of x is added to x",
        "transformer",
        r"\*residual connection\*",
    ),
    Term(
        "feed-forward",
        "feed forward",
        "np.maximum(x @ W1.T, 0) @ W2.T",
        "a small network that each place goes through alone",
        "transformer",
        "feed_forward",
    ),
    Term("post-norm", "post norm", "norm(x + f(x))", "the norm behind the sum", "transformer", r"\*post-norm\*"),
    Term("pre-norm", "pre norm", "x + f(norm(x))", "the norm within the shortcut", "transformer", r"\*pre-norm\*"),
    # ---- tokens ----
    Term("byte", "byte", "text.encode()", "a number from 0 to 255: what a computer stores a text as", "tokens", r"\*bytes\*"),
    Term("BPE", "B P E", "tokenizer(text, merges)", "byte-pair encoding: the commonest pair becomes a token, again and again", "tokens"),
    Term("merge", "merge", "merge(word, pair)", "to join two tokens into one wherever they stand side by side", "tokens", r"\*merge\*"),
    # ---- gpt ----
    Term(
        "language model",
        "language model",
        "nn.Module",
        "it gives each token the probability that it comes next",
        "gpt",
        r"\*language model\*",
    ),
    Term(
        "tied weights",
        "tied weights",
        "scores(h, wte.weight)",
        "one table is used twice, and its gradient is a sum",
        "gpt",
        r"Tied weights",
    ),
    Term("warm-up", "warm up", "LinearLR(...)", "the first steps of a training, in which the step size rises", "gpt"),
    Term("n-gram", "n gram", "witten_bell(...)", "n characters in a row; also the model that has counted them", "gpt", r"n-grams?"),
    # ---- a cache ----
    Term("KV cache", "k v cache", "kept.k, kept.v", "the keys and values of the places so far, which are not computed again", "kv_cache"),
    # ---- from probabilities to text ----
    Term("top-k", "top k", "kept(p, keep_top_k(p, k))", "only the k most probable may be drawn", "sampling", r"\*Top-k\*"),
    Term(
        "nucleus",
        "nucleus",
        "kept(p, keep_top_p(p, top_p))",
        "the fewest that together have a given probability",
        "sampling",
        r"\*nucleus\*",
    ),
    Term("greedy", "greedy", "p.argmax(axis=-1)", "the most probable each time", "sampling", r"\*Greedy\*"),
    Term(
        "beam search",
        "beam search",
        "beam_search(model, x, length, width)",
        "goes on with the few most probable beginnings at once",
        "sampling",
        r"\*Beam search\*",
    ),
    # ---- low-rank adapters ----
    Term("LoRA", "lora", "W0 + s * (B @ A)", "a frozen layer, and a change of low rank that learns", "lora", r"\*LoRA\*"),
    Term("adapter", "adapter", "A, B", "a few weights that learn what is added to many frozen ones", "lora", r"\*adapter\*"),
    Term(
        "reduced-rank regression",
        "reduced-rank regression",
        "",
        "least squares, where the matrix may be of no more than some rank",
        "lora",
        r"\*reduced-rank\s+regression\*",
    ),
    # ---- three ways of learning ----
    Term("supervised", "supervised", "supervised(z, c)", "of learning: the right answer is told", "ways_of_learning"),
    Term("unsupervised", "unsupervised", "unsupervised(z)", "of learning: nothing is told, there are only examples", "ways_of_learning"),
    Term(
        "reinforcement",
        "reinforcement",
        "reinforcement(z, answer, advantage)",
        "of learning: an answer is tried, and rewarded or not",
        "ways_of_learning",
    ),
    Term("self-supervised", "self-supervised", "", "of learning: a part of each example is hidden, and is the answer", "ways_of_learning"),
    Term("baseline", "baseline", "reward.mean()", "the reward that is usual", "ways_of_learning", r"\*baseline\*"),
    # ---- k-means ----
    Term("k-means", "k means", "KMeans(start)", "centres that go to the middle of the points nearest to them", "k_means", r"\*k-means\*"),
    Term(
        "cluster", "cluster", "x[a == k]", "the points that are nearest to one centre, or that belong together", "k_means", r"\*cluster\*"
    ),
    Term("Lloyd's step", "Lloyd's step", "c[k] = x[a == k].mean(axis=0)", "every centre to the middle of its cluster", "k_means"),
    Term("k-means++", "k means plus plus", "kmeans_plus_plus(x, K, u)", "a start at points that lie far apart, by chance", "k_means"),
    # ---- a mixture ----
    Term("mixture", "mixture", "Mixture(start)", "several bell curves, each with a weight, added up", "mixture", r"\*mixture\*"),
    Term(
        "responsibility",
        "responsibility",
        "softmax(log_joint(x, a, mu, s), axis=1)",
        "the probability that a point came from a component",
        "mixture",
        r"\*responsibility\*",
    ),
    Term("EM", "E M", "EM([a, mu, s])", "expectation and maximisation: responsibilities, then the best answer for these", "mixture"),
    # ---- an autoencoder ----
    Term("bottleneck", "bottleneck", "code", "the few numbers that everything has to pass through", "autoencoder", r"\*bottleneck\*"),
    # ---- contrastive learning ----
    Term("view", "view", "moved_by_chance(x, 1, rng)", "what a picture may become and still be what it is", "contrastive", r"\*views\*"),
    Term("InfoNCE", "info N C E", "info_nce(a, b, temperature)", "the loss of telling which of N belongs to this one", "contrastive"),
    Term("collapse", "collapse", "", "every input gets the same code; a loss that only pulls is content", "contrastive", r"\*collapse\*"),
    # ---- distillation ----
    Term(
        "distillation", "distillation", "distill(z, v, T)", "one network learns from the answers of another", "distillation", "Distillation"
    ),
    Term("teacher", "teacher", "v", "a network that was trained before, whose answers are data", "distillation", r"\*teacher\*"),
    Term("student", "student", "z", "the network that learns from a teacher", "distillation", r"\*student\*"),
    Term(
        "soft target",
        "soft target",
        "softmax(v / T)",
        "a probability for every class, where a label names one",
        "distillation",
        "soft targets?",
    ),
    # ---- a latent plane ----
    Term("VAE", "V A E", "VAE(hidden, latent)", "variational autoencoder: an encoder that says where z may be, and a decoder", "vae"),
    Term("q(z|x)", "q of z given x", "mean, log_var", "the encoder's guess at the posterior of z", "vae", r"q\(z\|x\)"),
    Term("ELBO", "elbo", "-(R + K)", "evidence lower bound: log p(x) is at least that", "vae", r"\*ELBO\*"),
    # ---- a game of two ----
    Term("GAN", "gan", "d_loss, g_loss", "generative adversarial network: two networks, each the other's opponent", "gan"),
    Term("generator", "generator", "g(z)", "the network that makes things of noise", "gan", r"\*generator\*"),
    Term("discriminator", "discriminator", "d(x)", "the network that tells real things from made ones", "gan", r"\*discriminator\*"),
    Term("softplus", "soft plus", "np.log1p(np.exp(s))", "log(1 + eˢ): minus the log of the probability σ(−s)", "gan"),
    Term("equilibrium", "equilibrium", "", "where no player gets anywhere by moving alone", "gan", r"\*equilibrium\*"),
    Term("mode collapse", "mode collapse", "", "a generator makes one kind of thing only", "gan", r"\*mode collapse\*"),
    # ---- a sheet that is bent ----
    Term("normalising flow", "normalising flow", "Flow(couplings)", "a network that can be undone and whose log det is known", "flow"),
    Term("coupling", "coupling", "Coupling(keep, hidden)", "keeps one number, by which it stretches and shifts the other", "flow"),
    Term("log det", "log det", "s.sum()", "the log of the factor by which a step makes a small area larger", "flow"),
    # ---- noise taken away ----
    Term(
        "diffusion model",
        "diffusion model",
        "",
        "it makes things of noise by taking noise away step by step",
        "diffusion",
        r"\*diffusion model\*",
    ),
    Term("ā", "a bar", "kept[t]", "what part of the variance is still the real thing's at time t", "diffusion", "ā"),
    Term("x[t]", "x t", "x", "a real thing x₀ with the noise of time t in it", "diffusion", r"x\[t\]"),
    Term("ε̂", "epsilon hat", "epsilon_hat", "the noise as the network says it is", "diffusion", "ε̂"),
    # ---- energy ----
    Term("energy", "energy", "E", "a number for every picture; where it is low, the picture is probable", "energy", r"\*energy-based"),
    Term("partition function", "partition function", "Z", "the sum of exp(−E) over all there is", "energy"),
    Term("free energy", "free energy", "free_energy(v, W, a, b)", "the energy of a picture, whatever the units are", "energy"),
    Term("Gibbs sampling", "Gibbs sampling", "gibbs(v, u, W, a, b)", "units given pixels, pixels given units, in turn", "energy"),
    Term(
        "contrastive divergence",
        "contrastive divergence",
        "",
        "the gradient of log Z, estimated by dreams that begin at the data",
        "energy",
        r"\*Contrastive divergence\*",
    ),
    # ---- bandits ----
    Term("bandit", "bandit", "Bandit(problems, arms)", "some arms to pull, of which nobody says which pays best", "bandit"),
    Term(
        "reinforcement learning",
        "reinforcement learning",
        "",
        "to learn what to do from rewards alone",
        "bandit",
        r"reinforcement\s+learning",
    ),
    Term("action a", "action a", "a", "what one does", "bandit"),
    Term("reward r", "reward r", "r", "a number that comes of an action: how good it was", "bandit"),
    Term("policy π", "policy pi", "greedy(Q, epsilon)", "with which probability each action is taken", "bandit"),
    Term("Q(a)", "Q of a", "Q[:, a]", "what is thought of an action: the reward to be expected of it", "bandit", r"Q\(a\)"),
    Term("ε-greedy", "epsilon greedy", "greedy(Q, epsilon)", "the best, and with the probability ε anything", "bandit"),
    Term("UCB", "U C B", "upper_bound(Q, n, c)", "upper confidence bound: as good as an arm may well be", "bandit"),
    Term("preference", "preference", "H", "a score of an action, of which softmax makes a policy", "bandit", r"\*preference\*"),
    Term("r̄", "r bar", "usual", "the mean reward so far, with which one is compared", "bandit", "r̄"),
    # ---- what a place is worth ----
    Term("state s", "state s", "s", "where one is, as far as it matters for what to do", "value_iteration"),
    Term("episode", "episode", "", "from where one begins to where it ends", "value_iteration", r"\n\s+episode"),
    Term("policy", "policy", "Q.argmax(axis=1)", "which action is taken in which state", "value_iteration", r"\n\s+policy"),
    Term("return", "return", "r1 + gamma * r2 + ...", "all rewards to the end, discounted", "value_iteration", r"\n\s+return"),
    Term("γ", "gamma", "gamma", "the discount: how much less a reward counts that comes a step later", "value_iteration"),
    Term("V(s)", "V of s", "V[s]", "the value of a state: the return to be expected from it on", "value_iteration", r"V\(s\)"),
    Term("Q(s, a)", "Q of s and a", "Q[s, a]", "the return to be expected if one does a first", "value_iteration", r"Q\(s, a\)"),
    Term("s′", "s prime", "next_state", "the state that a step leads to", "value_iteration", "s′"),
    Term("max over a", "max over a", "Q.max(axis=1)", "the largest of them, whatever a has to be for it", "value_iteration"),
    Term("Bellman's equation", "bellmans equation", "", "a value is the reward and γ times the next value", "value_iteration"),
    Term("semi-gradient", "semi gradient", "", "a gradient in which the target counts as given", "value_iteration", r"\*semi-gradient\*"),
    # ---- td learning ----
    Term("TD", "T D", "TDLearning(...)", "temporal difference: a guess is mended by the one a step later", "td_learning"),
    Term("TD error", "T D error", "y - table[s, a]", "δ: how much better a step went than was thought", "td_learning", r"\*TD\s+error\*"),
    Term("bootstrapping", "bootstrapping", "", "to mend a guess by another guess", "td_learning", r"\*bootstrapping\*"),
    Term("SARSA", "sarsa", "r + gamma * Q[s_next, a_next]", "TD for Q, by the action that will be taken next", "td_learning"),
    Term("Q-learning", "Q learning", "r + gamma * Q[s_next].max()", "TD for Q, by the best action that there is next", "td_learning"),
    Term("on-policy", "on policy", "", "what is learned is what one's own way of acting is worth", "td_learning", r"\*on-policy\*"),
    Term("off-policy", "off policy", "", "what is learned is what another way of acting is worth", "td_learning", r"\*off-policy\*"),
    # ---- policy gradient ----
    Term("agent", "agent", "model.act(state, u)", "who acts, and learns from what comes of it", "policy_gradient", r"\*agent\*"),
    Term("REINFORCE", "reinforce", "", "to make an action more probable, the more so the larger the return", "policy_gradient"),
    Term("π(a | s)", "pi of a given s", "p[n, a]", "how probable the agent makes an action in a state", "policy_gradient", r"π\(a \| s\)"),
    Term("G[t]", "G t", "G[t]", "the return from step t on", "policy_gradient", r"G\[t\]"),
    Term("advantage", "advantage", "G - V[s]", "by how much it went better than was to be expected", "policy_gradient", r"\*advantage\*"),
    # ---- actor and critic ----
    Term("actor", "actor", "policy", "the network that acts, and is told how it went", "actor_critic", r"\*actor\*"),
    Term("critic", "critic", "value", "the network that says how it went: V", "actor_critic", r"\*critic\*"),
    Term(
        "δ[t]",
        "delta t",
        "r + gamma * V(s_next) - V(s)",
        "how much better one step went than was to be expected",
        "actor_critic",
        r"δ\[t\]",
    ),
    Term("bias of an estimate", "bias", "", "by how much the average of an estimate is wrong", "actor_critic", r"has a \*bias\*"),
    # ---- dqn ----
    Term("DQN", "D Q N", "DQN(...)", "deep Q-network: Q(s, a) by a network, with a memory and a target network", "dqn"),
    Term("replay memory", "replay memory", "data.remembered", "many steps, to draw batches from by chance", "dqn", r"\*replay memory\*"),
    Term("target network", "target network", "self.target", "a frozen copy, of which targets are made; renewed now and then", "dqn"),
    Term("Q⁻", "Q minus", "self.target(next_state)", "what the target network says", "dqn", "Q⁻"),
    Term("Huber loss", "Huber loss", "nn.HuberLoss()", "the square near 0, and a straight line farther out", "dqn", r"\*Huber loss\*"),
    # ---- ppo ----
    Term(
        "PPO", "P P O", "surrogate(log_p, old, A, clip)", "proximal policy optimization: several steps on one rollout, none too far", "ppo"
    ),
    Term("rollout", "rollout", "", "some steps of the agent, recorded to learn from", "ppo", r"\*rollout\*"),
    Term(
        "λ-advantage", "lambda advantage", "delta[t] + gamma * lam * A[t + 1]", "an advantage that looks some steps ahead", "ppo", "γ λ A"
    ),
    Term("ratio", "ratio", "np.exp(log_p - old)", "how much more probable an action is than when it was drawn", "ppo", r"\*ratio\*"),
    Term("clip", "clip", "np.clip(r, a, b)", "r, but a where it is less and b where it is more", "ppo", r"clip\(r, a, b\)"),
    # ---- a graph network ----
    Term("edge", "edge", "(i, j)", "a tie between two nodes", "gcn", r"\*edges\*"),
    Term("adjacency matrix", "adjacency matrix", "A[i, j]", "1 where i and j are tied, else 0", "gcn", r"\*adjacency\s+matrix\*"),
    Term("self-loop", "self-loop", "A + np.eye(N)", "a tie of a node to itself", "gcn", r"\*self-loop\*"),
    Term("Â", "A hat", "normalized(A)", "the ties and self-loops, over the roots of both ends' numbers of them", "gcn", "Â"),
    Term("GCN", "G C N", "A_hat @ linear(h)", "graph convolutional network: each node adds up its neighbours", "gcn"),
    Term(
        "semi-supervised", "semi-supervised", "", "a few examples have labels, and the others are there too", "gcn", r"\*semi-supervised\*"
    ),
    Term("oversmoothing", "oversmoothing", "", "after many layers all nodes are alike", "gcn", "[Oo]versmoothing"),
    # ---- attention over neighbours ----
    Term(
        "graph attention",
        "graph attention",
        "alpha @ r",
        "each edge has a weight that depends on both of its ends",
        "gat",
        "[Gg]raph attention",
    ),
    Term("αᵢ", "alpha i", "softmax(s)", "the parts of the tellers in what i hears; they add up to 1", "gat", "αᵢ"),
    Term("LeakyReLU", "leaky relu", "nn.LeakyReLU(0.2)", "x above 0, and a fifth of x below", "gat", r"\*LeakyReLU\*"),
    Term("static attention", "static attention", "leaky(u @ a)", "all askers prefer the same teller", "gat", r"static form"),
    Term("dynamic attention", "dynamic attention", "leaky(u) @ a", "whom an asker prefers depends on the asker", "gat", r"dynamic form"),
    # ---- messages along edges ----
    Term("source", "source", "edges[0]", "the node that an edge leads from", "message_passing", r"source\[e\]"),
    Term("target", "target", "edges[1]", "the node that an edge leads to", "message_passing", r"target\[e\]"),
    Term("round", "round", "layer(h, edges)", "each node hears from its neighbours once", "message_passing", r"A round has"),
    Term("add up", "add up", "np.add.at(total, index, values)", "sums of the rows that have the same index", "message_passing", "add_up"),
    # ---- accumulation ----
    Term("activations", "activations", "self.save(x)", "what is kept of each example for the way back", "accumulation", r"\*activations\*"),
    Term(
        "micro-batch", "micro batch", "x[i : i + 32]", "a part of a batch that goes there and back at once", "accumulation", "micro-batch"
    ),
    Term("accumulation", "accumulation", "p.grad += ...", "adding up gradients before a step", "accumulation", r"\*accumulation\*"),
    # ---- recomputation ----
    Term(
        "recomputation", "recomputation", "Recomputed(*blocks)", "to compute again what was not kept", "recomputation", r"\*Recomputation\*"
    ),
    Term("segment", "segment", "Recomputed(*blocks)", "some layers of which only the input is kept", "recomputation", r"\*segments\*"),
    # ---- data parallel ----
    Term("worker", "worker", "rank", "one of several computers or processes that train together", "data_parallel", r"\*worker\*"),
    Term("shard", "shard", "np.array_split(x, W)[rank]", "the part of something that one worker has", "data_parallel", r"\*shard\*"),
    Term("all-reduce", "all reduce", "ring_all_reduce(vectors)", "add up what all have, so that all get the sum", "data_parallel"),
    # ---- tensor parallel ----
    Term("tensor parallel", "tensor parallel", "ParallelMLP(...)", "the matrices themselves are cut", "tensor_parallel", "Tensor parallel"),
    # ---- on a GPU ----
    Term("tile", "tile", "A[:, i : i + 32] @ B[i : i + 32]", "a piece of a long sum that is added up by itself", "on_a_gpu", r"\*tiles\*"),
    Term("TF32", "T F 32", "tf32(x)", "float32 with 11 binary digits, as some GPUs multiply", "on_a_gpu", r"\*TF32\*"),
)
"""In the order in which they are met."""
