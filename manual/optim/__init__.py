"""Optimizers and learning-rate schedules: the hand-written twins of torch.optim, under torch's own names."""

from manual.optim import lr_scheduler as lr_scheduler
from manual.optim.adadelta import Adadelta as Adadelta
from manual.optim.adafactor import Adafactor as Adafactor
from manual.optim.adagrad import Adagrad as Adagrad
from manual.optim.adam import Adam as Adam
from manual.optim.adam import AdamW as AdamW
from manual.optim.adamax import Adamax as Adamax
from manual.optim.asgd import ASGD as ASGD
from manual.optim.lbfgs import LBFGS as LBFGS
from manual.optim.muon import Muon as Muon
from manual.optim.nadam import NAdam as NAdam
from manual.optim.optimizer import Optimizer as Optimizer
from manual.optim.radam import RAdam as RAdam
from manual.optim.rmsprop import RMSprop as RMSprop
from manual.optim.rprop import Rprop as Rprop
from manual.optim.sgd import SGD as SGD
