"""Both sides in lock-step: each yields a Step for every step of an optimizer; the callback pairs and judges them.

`by_hand` trains the hand-written side, `in_torch` watches Lightning train the other, `callback` lets the one follow the other, and
`judging` pairs and judges what they did; what is beyond what is tolerated is looked at `again`.
"""

from experiments.lockstep.by_hand import HandRun as HandRun
from experiments.lockstep.callback import DTYPES as DTYPES
from experiments.lockstep.callback import LockStep as LockStep
from experiments.lockstep.callback import ieee_arithmetic as ieee_arithmetic
from experiments.lockstep.judging import Mode as Mode
from experiments.lockstep.judging import Record as Record
