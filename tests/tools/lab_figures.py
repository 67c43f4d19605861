#!/usr/bin/env python3
"""Prints the figures that results/README.md takes from a record of the lab.

  python3 tests/tools/lab_figures.py results/lab/both/lab.json

For each estimator and epoch: its bias as a share of the gradient with the standard error of
that share (a bias below it cannot be told from none), the mean cosine of a draw with the
gradient, its variance relative to ST's, and how many draws its mean needs before its error
is half of the error of one draw of ST:

  D = variance / ((ST's bias^2 + ST's variance) / 4)
"""
import json
import sys


def main():
    record = json.load(open(sys.argv[1]))
    for point in record["points"]:
        norm = point["reference"]["norm"]
        figures = {e["name"]: dict(e["figures"])["all"] for e in point["estimators"]}
        draws = {e["name"]: e["draws"] for e in point["estimators"]}
        st = figures["st"]
        half = ((st["bias"] * norm) ** 2 + st["variance"]) / 4
        print(f"epoch {point['epoch']}, reference {point['reference']['name']}, "
              f"its standard error {100 * point['reference']['error']:.1f} %")
        for name, f in figures.items():
            print(f"  {name:18} {draws[name]} draws  bias {100 * f['bias']:8.1f} % "
                  f"+- {100 * f['bias_error']:6.1f}  cosine {f['cosine']:.2f}  "
                  f"variance {f['variance'] / st['variance']:10.1f} of ST's  "
                  f"draws to half of ST's error {f['variance'] / half:10.0f}")


if __name__ == "__main__":
    main()
