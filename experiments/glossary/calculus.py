"""The words and signs of the chapter calculus."""

from __future__ import annotations

from experiments.glossary.term import Term

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
    # ---- optimizers ----
    Term("√s", "root of s", "np.sqrt(s)", "how large a gradient usually is, of late", "optimizers", "√s"),
    Term("RMSprop", "r m s prop", "optim.RMSprop(...)", "gradient descent with each slope over its usual size", "optimizers"),
    Term("AdamW", "Adam w", "optim.AdamW(...)", "Adam, and beside it a pull to 0", "optimizers"),
    # ---- annealing ----
    Term("annealing", "annealing", "", "a search by jumps that climbs too, less and less as it cools", "annealing"),
    Term("temperature", "temperature", "T", "how high a climb still has a good chance", "annealing"),
    Term("acceptance", "acceptance", "np.exp(-climb / T)", "the probability that a jump to a higher place is made", "annealing"),
    Term("Δ", "delta", "f(there) - f(here)", "how much higher it is there", "annealing", "Δ"),
)
