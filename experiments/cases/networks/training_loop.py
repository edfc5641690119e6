"""Mutants of networks.training_loop that no case can notice; its loss is judged as every concept's is."""

EQUIVALENT = {
    "ŷ − y has a row for each row of x": (
        "training_loop.TrainingLoop.mse_loss_backward:saved:dL_dloss * 2 * r / len(x) => dL_dloss * 2 * r / len(r):0",
    ),
    "there is one column, so the sum over rows is the sum of all": (
        "training_loop.TrainingLoop.mse_loss_backward:axis:dL_dy_hat.sum(axis=0) => dL_dy_hat.sum(axis=None):0",
    ),
}
