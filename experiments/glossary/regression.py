"""The words and signs of the chapter regression."""

from __future__ import annotations

from experiments.glossary.term import Term

TERMS = (
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
)
