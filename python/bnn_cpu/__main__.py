"""``python -m bnn_cpu`` is the program ``bnn-cpu``."""

from ._program import main

main()
