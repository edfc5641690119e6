"""Both sides in lock-step: each yields a Step for every step of an optimizer; the callback pairs and judges them.

`by_hand` trains the hand-written side, `in_torch` watches Lightning train the other, `callback` brings the two together.
"""

from experiments.lockstep.by_hand import HandRun as HandRun
from experiments.lockstep.callback import DTYPES as DTYPES
from experiments.lockstep.callback import LockStep as LockStep
from experiments.lockstep.callback import Mode as Mode
from experiments.lockstep.callback import Record as Record
from experiments.lockstep.callback import ieee_arithmetic as ieee_arithmetic
