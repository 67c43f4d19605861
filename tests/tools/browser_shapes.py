"""Digits as points across and down a sheet, 0 to 1, which browser tests draw."""

import math

ONE = [(0.44, 0.30), (0.52, 0.20), (0.52, 0.35), (0.51, 0.50), (0.51, 0.65), (0.50, 0.82)]
TURN = [2 * math.pi * i / 28 for i in range(29)]
ZERO = [(0.5 - 0.20 * math.sin(a), 0.5 - 0.30 * math.cos(a)) for a in TURN]
DIGITS = {"1": ONE, "0": ZERO}
