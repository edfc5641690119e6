"""The words and signs of the chapter networks."""

from __future__ import annotations

from experiments.glossary.term import Term

TERMS = (
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
)
