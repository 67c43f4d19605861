"""Golden values of every estimator, in double precision from the formulas of their papers:
tests/golden/estimators.json.

    python tests/tools/golden_estimators.py

Needs nothing but Python. A row of units has the learning signal (`learning_signal`) of its loss, and
each unit a gradient (`pullback`); REBAR's control part, and what it learns from step to step,
are there as well. Inputs are the same numbers in f32, but for 0.1, which is its nearest one.
"""

import json
import math
import pathlib
from typing import Any

LN2 = math.log(2)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def bit_probability(function: str, a: float, x: float) -> float:
    return sigmoid(a * x) if function == "sigmoid" else min(max(a * x / 2 + 0.5, 0), 1)


def derivative(function: str, a: float, x: float) -> float:
    if function == "sigmoid":
        return a * sigmoid(a * x) * sigmoid(-a * x)
    return a / 2 if abs(a * x) < 1 else 0.0


def score(function: str, a: float, x: float, h: float) -> float:
    """d log P(h) / dx"""
    p, slope = bit_probability(function, a, x), derivative(function, a, x)
    if slope == 0:
        return 0.0
    return slope / p if h == 1 else -slope / (1 - p)


def concrete(a: float, t: float, x: float, u: float) -> tuple[float, float]:
    """A relaxed bit, and its derivative with respect to x."""
    r = sigmoid((a * x - math.log(u / (1 - u))) / t)
    return r, r * (1 - r) * a / t


def reinmax(function: str, a: float, x: float, h: float) -> float:
    """Twice straight-through at the mean of sample and probability, less half of it; for
    the hard sigmoid the same mean of both ends, by the probability of the one drawn."""
    p = bit_probability(function, a, x)
    if function == "sigmoid":
        q = (h + p) / 2
        return a * (2 * q * (1 - q) - p * (1 - p) / 2)
    slope = derivative(function, a, x)
    return slope / 2 / (p if h == 1 else 1 - p) if slope else 0.0


def tied(a: float, t: float, x: float, u: float, h: float) -> float:
    """The derivative of a relaxed bit given the bit, by differences: its own noise `v` is
    held still, at the number at which it is the bit's noise `u`."""
    at = sigmoid(a * x)
    v = u / at if h == 1 else (u - at) / (1 - at)

    def relaxed(x: float) -> float:
        p = sigmoid(a * x)
        u = v * p if h == 1 else p + v * (1 - p)
        return concrete(a, t, x, u)[0]

    step = 1e-5
    return (relaxed(x + step) - relaxed(x - step)) / (2 * step)


def pathwise(name: str, function: str, a: float, t: float, x: float, u: float) -> float:
    """What is multiplied with the adjoint of the bit."""
    y = a * x
    if name in ("st", "local-expectation"):
        return derivative(function, a, x)
    if name == "st-clip":
        return a / 2 if abs(y) <= 1 else 0.0
    if name == "st-identity":
        return a
    if name == "approx-sign":
        return a * (1 - abs(y)) if abs(y) <= 1 else 0.0
    if name == "swish-sign":
        b = 5.0
        return a / 2 * b * (2 - b * y * math.tanh(b * y / 2)) / (1 + math.cosh(b * y))
    if name == "reste":
        if abs(y) > 1.5:
            return 0.0
        if abs(y) < 0.1:
            return a / 2 * 0.1 ** (1 / 3) / 0.1
        return a / 2 * abs(y) ** (1 / 3 - 1) / 3
    if name in ("gumbel", "gumbel-soft"):
        return concrete(a, t, x, u)[1]
    assert name == "none", name
    return 0.0


PATHWISE = ["st", "st-clip", "st-identity", "approx-sign", "swish-sign", "reste", "local-expectation", "none"]
LOGISTIC = ["gumbel", "gumbel-soft"]
SCORES = ["reinforce", "muprop", "double-cv"]
ANTITHETIC = ["arm", "disarm"]

# Pre-activation, uniform numbers, adjoint, and the probed adjoints of the extra rows.
UNITS = [
    (-2.5, 0.09375, 0.3125, 1.25, -0.5, 0.25),
    (-0.75, 0.59375, 0.765625, -0.75, 1.5, -1.0),
    (-0.046875, 0.25, 0.5, 2.0, 0.75, 0.5),
    # A tie: [u < p] and [1 - u < p] are both 0.
    (0.0, 0.5, 0.375, 1.5, 0.5, -0.75),
    # With slope 1 the ends of ramps and rules.
    (1.0, 0.40625, 0.5, 1.25, 0.625, -0.25),
    (-1.0, 0.203125, 0.25, -1.5, 1.5, 0.75),
    (1.5, 0.859375, 0.6875, 0.75, -0.5, 1.25),
    (0.1, 0.78125, 0.59375, -0.5, 1.75, 0.5),
    (0.03125, 0.703125, 0.140625, -1.5, -1.25, 0.375),
    (0.5, 0.4375, 0.890625, 0.5, 0.25, -0.625),
    (0.875, 0.96875, 0.21875, 1.0, -0.375, 2.0),
    (1.75, 0.328125, 0.640625, -2.25, 1.0, 1.125),
]


def row(name: str, function: str, a: float, t: float) -> dict:
    """A row of units of one estimator."""
    loss, extra, baseline, weight = 2.75, [1.25, 0.5], 0.875, 0.125
    units = []
    for x, u, v, dh, near, far in UNITS:
        h = 1.0 if u < bit_probability(function, a, x) else 0.0
        units.append({"x": x, "u": u, "v": v, "h": h, "dh": dh, "saved_grads": [near, far], "p": bit_probability(function, a, x)})
    line = sum(n["saved_grads"][0] * (n["h"] - n["p"]) for n in units)
    learning_signal = {
        "reinforce": (loss - baseline) * weight,
        "muprop": (loss - extra[0]) * weight - line,
        "double-cv": (loss - baseline) * weight,
        "arm": (extra[0] - loss) * weight,
        "disarm": (loss - extra[0]) * weight,
        "rebar": loss * weight,
    }.get(name)
    for n in units:
        x, u, h, near = n["x"], n["u"], n["h"], n["saved_grads"][0]
        if name in SCORES:
            n["g"] = learning_signal * score(function, a, x, h)
            if name == "muprop":
                n["g"] += near * derivative(function, a, x)
            if name == "double-cv":
                # The first of the signals is what the line is above the others' mean.
                n["control"] = extra[0] * score(function, a, x, h) - near * derivative(function, a, x)
        elif name == "arm":
            n["g"] = learning_signal * a * (u - 0.5)
        elif name == "disarm":
            p = n["p"]
            opposite = 1.0 if 1 - u < p else 0.0
            n["g"] = 0.0 if h == opposite else learning_signal / 2 * (1 if opposite == 0 else -1) * a * sigmoid(abs(a * x))
        elif name == "rebar":
            n["g"] = learning_signal * score(function, a, x, h)
            free = concrete(a, t, x, u)[1]
            given = tied(a, t, x, u, h)
            n["control"] = near * (free - given) - extra[0] * score(function, a, x, h)
        elif name == "reinmax":
            n["g"] = n["dh"] * reinmax(function, a, x, h)
        else:
            n["g"] = n["dh"] * pathwise(name, function, a, t, x, u)
    return {"name": name, "probability": function, "slope": a, "temperature": t, "loss": loss, "extra": extra,
            "baseline": baseline, "weight": weight, "learning_signal": learning_signal, "units": units}


def learned() -> list[dict]:
    """REBAR's learned numbers over steps: the scale, the temperature and the averages."""
    log_t, cross, square, sides = -LN2, 0.0, 0.0, [0.0, 0.0]
    # Σ g², Σ g·c and Σ c² of a step. The first gives one average and not the other; the
    # next ones leave the two within a tenth of each other; the last ones push each number to its bound.
    sums = [(0.0, 0.0, 0.0), (4.0, 1.5, 3.0), (4.25, -2.0, 2.5), (4.0, 0.5, 4.0), (4.5, 1.0, 1.5)]
    sums += [(3.0, 0.5, 1.0)]
    sums += [(9.0, 8.0, 0.5), (0.25, 9.0, 0.25), (64.0, -9.0, 0.125), (0.125, -64.0, 0.125)] * 3
    sums += [(0.0, 0.0, 0.0), (256.0, 1.0, 1.0)] * 130
    steps = []
    for step, (squares, product, control) in enumerate(sums):
        scale = min(max(-cross / square, -2.0), 2.0) if square > 0 else 0.0
        side = step % 2
        entry = {"sums": [squares, product, control], "temperature": math.exp(log_t + (0.1 if side else -0.1)), "scale": scale}
        # Σ g₀·c of the gradient without the control part.
        cross += 0.02 * (product - scale * control - cross)
        square += 0.02 * (control - square)
        sides[side] += 0.02 * (squares - sides[side])
        if min(sides) > 0:
            towards = (sides[0] - sides[1]) / sum(sides) / 0.1
            log_t = min(max(log_t + 0.01 * min(max(towards, -1.0), 1.0), -3.0), 1.6)
        entry["after"] = [log_t, cross, square, *sides]
        steps.append(entry)
    return steps


def short(value: Any) -> Any:
    """Nine digits say what an f32 can."""
    if isinstance(value, dict):
        return {key: short(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [short(entry) for entry in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def main() -> None:
    rows = []
    for a, t in [(1.0, 0.5), (1.75, 0.8125), (0.5, 2.0)]:
        for function in ["hard-sigmoid", "sigmoid"]:
            rows += [row(name, function, a, t) for name in PATHWISE + SCORES + ["reinmax"]]
        rows += [row(name, "sigmoid", a, t) for name in LOGISTIC + ANTITHETIC + ["rebar"]]
    path = pathlib.Path(__file__).parents[1] / "golden" / "estimators.json"
    text = json.dumps(short({"rows": rows, "rebar": learned()}))
    path.write_text(text.replace('{"name"', '\n{"name"').replace('{"sums"', '\n{"sums"') + "\n")
    print(f"{path}: {len(rows)} rows")


if __name__ == "__main__":
    main()
