"""Train neural networks with binary activations on a CPU, and run them as bits.

>>> import bnn_cpu
>>> run = bnn_cpu.train("seed-net", data="digits", binary="both", epochs=1, out=False)
>>> packed = run.pack()
>>> packed.classify(run.dataset.test.images[:3]).shape
(3,)

Where to begin:

- `train`: a training by name and settings, as the program ``bnn-cpu train`` does it.
- `Network`: a network in a training loop of one's own; parameters are NumPy views.
- `Estimator`: a gradient estimator of one's own, written with NumPy.
- `lab`, `table`: measure and compare estimators; `estimators` lists them.
- `PackedNet`: a trained network as bits.
- `bnn_cpu.sklearn.BinaryNetClassifier`, `from_torch`: from and to other libraries.

Images are arrays (N, height, width), (N, channels, height, width), or (N, height, width,
channels) with ``layout="nhwc"``; uint8, or numbers from 0 to 1 that are multiples of 1/255.

Threads: ``threads=`` of a call, `set_threads`, or the variable ``BNN_CPU_THREADS``.
``OMP_NUM_THREADS`` has no effect, because the engine does not use OpenMP: it has a thread pool
of its own. Results are the same bits on any number of threads.
"""

from ._data import Dataset, Part
from ._estimator import Estimator, Outcome, Units, at_one_unit, estimators, register
from ._lab import LabResult, lab
from ._native import Diverged, Error, __version__, set_threads, threads
from ._network import Network
from ._optimizer import SGD, Adam, AdamW, Optimizer
from ._packed import PackedNet
from ._run import History, Run, load
from ._table import Table, table
from ._torch import from_torch
from ._train import train

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Dataset",
    "Diverged",
    "Error",
    "Estimator",
    "History",
    "LabResult",
    "Network",
    "Optimizer",
    "Outcome",
    "PackedNet",
    "Part",
    "Run",
    "Table",
    "Units",
    "__version__",
    "at_one_unit",
    "estimators",
    "from_torch",
    "lab",
    "load",
    "register",
    "set_threads",
    "table",
    "threads",
    "train",
]
