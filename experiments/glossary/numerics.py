"""The words and signs of the chapter numerics."""

from __future__ import annotations

from experiments.glossary.term import Term

TERMS = (
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
)
