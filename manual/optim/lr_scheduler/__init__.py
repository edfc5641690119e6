"""Learning rates that change as training goes on: the twins of torch.optim.lr_scheduler.

A schedule belongs to an optimizer. Its `step()` comes after the optimizer's, once a batch or once an epoch, and sets
`lr` in every parameter group. In the formulas t is `last_epoch`, the number of steps so far, and η₀ the group's first
lr, "initial_lr". Most compute lr from the lr before, so that a change made by hand, or by another schedule of the same
optimizer, lasts; `closed_form_lr` gives the same from t alone, but for rounding.
"""

from manual.nn.arguments import checks_arguments as _checks_arguments
from manual.optim.lr_scheduler.combined import ChainedScheduler as ChainedScheduler
from manual.optim.lr_scheduler.combined import ReduceLROnPlateau as ReduceLROnPlateau
from manual.optim.lr_scheduler.combined import SequentialLR as SequentialLR
from manual.optim.lr_scheduler.cosine import CosineAnnealingLR as CosineAnnealingLR
from manual.optim.lr_scheduler.cosine import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from manual.optim.lr_scheduler.cosine import OneCycleLR as OneCycleLR
from manual.optim.lr_scheduler.cyclic import CyclicLR as CyclicLR
from manual.optim.lr_scheduler.decay import ConstantLR as ConstantLR
from manual.optim.lr_scheduler.decay import ExponentialLR as ExponentialLR
from manual.optim.lr_scheduler.decay import LambdaLR as LambdaLR
from manual.optim.lr_scheduler.decay import LinearLR as LinearLR
from manual.optim.lr_scheduler.decay import MultiplicativeLR as MultiplicativeLR
from manual.optim.lr_scheduler.decay import MultiStepLR as MultiStepLR
from manual.optim.lr_scheduler.decay import PolynomialLR as PolynomialLR
from manual.optim.lr_scheduler.decay import StepLR as StepLR
from manual.optim.lr_scheduler.scheduler import LRScheduler as LRScheduler

for _schedule in list(vars().values()):
    if isinstance(_schedule, type) and issubclass(_schedule, LRScheduler):
        _checks_arguments(_schedule)
del _schedule
