#!/usr/bin/env python3
"""Prints the figures, and the sentences, that results/README.md takes from records of the lab.

  python3 tests/tools/lab_figures.py results/lab/both/lab.json results/lab/own-both/lab.json

For each estimator and epoch, of the gradient of all parameters that were looked at:

  bias +- s.e.   as a share of the gradient; its standard error is by how much it grows when
                 its square grows by the standard error that the square has
  resolution     the smallest bias told from chance, the reference's own error included: its
                 square is two of the standard errors that it has without any bias
  s.e. of mean   of the mean of the draws, as a share of the gradient
  draws for 5 %  after how many draws that is 5 %: draws * (s.e. / 5 %)^2
  half of ST's   how many draws the mean needs before its error is half of the error of one
                 draw of ST: variance / ((ST's bias^2 + ST's variance) / 4); its +- is out of the
                 standard errors of the two variances and of ST's bias

and, along own trajectories, the variance beside ST's at the same weights. Records from before
errors were noted have the bias's own error alone; what they lack is shown as ?.
"""
import json
import math
import sys


def error_of_root(root, error):
    """The error of a root, from the root of the error of its square."""
    return math.sqrt(root ** 2 + error ** 2) - root


def ratio(a, a_error, b, b_error):
    """A ratio, and its standard error out of those of both."""
    of = a / b
    known = a_error is not None and b_error is not None
    error = of * math.hypot(a_error / a if a else 0, b_error / b) if known else None
    return of, error


def shown(error):
    """An error with two digits that say something, or ? where the record lacks it."""
    if error is None:
        return "?"
    return f"{error:.0f}" if error >= 100 else f"{error:.2g}"


def of_all(estimator):
    return dict(estimator["figures"])["all"]


class Point:
    """What is said of one point, computed out of the record."""

    def __init__(self, point):
        self.epoch = point["epoch"]
        self.reference = point["reference"]
        norm = self.norm = self.reference["norm"]
        self.rows = {}
        by_name = {e["name"]: e for e in point["estimators"]}
        st_name = next((n for n in ("st", "st+st") if n in by_name), None)
        self.st = st = of_all(by_name[st_name]) if st_name else None
        for name, estimator in by_name.items():
            f = of_all(estimator)
            errors = f.get("errors") or {}
            mean_error = math.sqrt(f["variance"] / estimator["draws"]) / norm
            row = {
                "unbiased": estimator["unbiased"],
                "draws": estimator["draws"],
                "bias": f["bias"],
                "bias_error": error_of_root(f["bias"], f["bias_error"]),
                "resolution": errors.get("resolution", math.sqrt(2) * f["bias_error"]),
                "mean_error": mean_error,
                "for_5": math.ceil(estimator["draws"] * (mean_error / 0.05) ** 2),
                "cosine": f["cosine"],
                "cosine_error": errors.get("cosine"),
            }
            row["told"] = row["bias"] > row["resolution"]
            if st:
                of_st = (st.get("errors") or {}).get("variance")
                row["ratio"], row["ratio_error"] = ratio(
                    f["variance"], errors.get("variance"), st["variance"], of_st)
                # The error of one draw of ST, squared, and the error of that.
                square = (st["bias"] * norm) ** 2 + st["variance"]
                square_error = None
                if of_st is not None:
                    square_error = math.hypot((st["bias_error"] * norm) ** 2, of_st)
                half, half_error = ratio(f["variance"], errors.get("variance"), square,
                                         square_error)
                row["half"] = 4 * half
                row["half_error"] = None if half_error is None else 4 * half_error
            self.rows[name] = row

    def lines(self):
        r = self.reference
        for_5 = math.ceil(r["draws"] * (r["error"] / 0.05) ** 2)
        alone = r.get("resolution")
        yield (f"epoch {self.epoch}, reference {r['name']}, {r['draws']} draws, standard error "
               f"{100 * r['error']:.1f} % of the gradient, draws for 5 %: {for_5}"
               + (f", resolution by it alone {100 * alone:.1f} %" if alone is not None else ""))
        for name, x in self.rows.items():
            told = "told from chance" if x["told"] else "not told from chance"
            line = (f"  {name:26} {x['draws']:5} draws  bias {100 * x['bias']:8.1f} % +- "
                    f"{100 * x['bias_error']:6.1f}, resolution {100 * x['resolution']:6.1f}: "
                    f"{told:20}  s.e. of mean {100 * x['mean_error']:7.1f} %  draws for 5 % "
                    f"{x['for_5']:9}  cosine {x['cosine']:.3f} +- "
                    f"{shown(x['cosine_error'])}")
            if self.st and self.rows[name]["ratio"] != 1:
                line += (f"  variance {x['ratio']:10.1f} +- {shown(x['ratio_error'])} of ST's"
                         f"  half of ST's error {x['half']:8.0f} +- "
                         f"{shown(x['half_error'])} draws")
            yield line


def sentences(points):
    """What can be said of all points together."""
    errors = [100 * p.reference["error"] for p in points]
    if errors:
        yield (f"The standard error of the reference goes from {min(errors):.1f} to "
               f"{max(errors):.1f} % of the gradient.")
    compared = [x for p in points for x in p.rows.values() if x["unbiased"]]
    told = sum(x["told"] for x in compared)
    if compared:
        yield (f"Of {len(compared)} comparisons of estimators that claim to be unbiased, the bias "
               f"of {told} is told from chance; their resolutions go from "
               f"{100 * min(x['resolution'] for x in compared):.1f} to "
               f"{100 * max(x['resolution'] for x in compared):.1f} % of the gradient.")
    for p in points:
        st = next((p.rows[n] for n in ("st", "st+st") if n in p.rows), None)
        if not st:
            continue
        verdict = "is told from chance" if st["told"] else "is not told from chance"
        yield (f"Epoch {p.epoch}: ST's bias is {100 * st['bias']:.1f} +- "
               f"{100 * st['bias_error']:.1f} % of the gradient at a resolution of "
               f"{100 * st['resolution']:.1f} % and {verdict}; the reference's standard error is "
               f"{100 * p.reference['error']:.1f} %, that of ST's mean "
               f"{100 * st['mean_error']:.1f} %.")
        for name, x in p.rows.items():
            if x["unbiased"] and x["half"] >= 1:
                yield (f"Epoch {p.epoch}: {name} needs {x['half']:.0f} +- "
                       f"{shown(x['half_error'])} draws until its error is half of that "
                       f"of one draw of ST.")


def own(record):
    for trajectory in record.get("own", []):
        yield f"trained with {trajectory['name']}"
        for point in trajectory["points"]:
            accuracy = point["val_accuracy"]
            right = "" if accuracy is None else f", validation {100 * accuracy:.2f} %"
            yield f"  epoch {point['epoch']}{right}"
            st = of_all(point["estimators"][-1])
            for estimator in point["estimators"]:
                f = of_all(estimator)
                line = (f"    {estimator['name']:26} {estimator['draws']:5} draws  variance "
                        f"{f['variance']:.3e} +- {f['variance_error']:.0e}  SNR {f['snr']:.3f} +- "
                        f"{shown(error_of_root(f['snr'], f['snr_error']))}")
                if f is not st and len(point["estimators"]) > 1:
                    of, error = ratio(f["variance"], f["variance_error"], st["variance"],
                                      st["variance_error"])
                    line += (f"  variance {of:.1f} +- {shown(error)} of ST's there, resolution "
                             f"of the ratio {shown(2 * error)}")
                yield line


def main():
    for path in sys.argv[1:]:
        record = json.load(open(path))
        if len(sys.argv) > 2:
            print(path)
        points = [Point(p) for p in record["points"]]
        for point in points:
            for line in point.lines():
                print(line)
        for line in sentences(points):
            print(line)
        for line in own(record):
            print(line)


if __name__ == "__main__":
    main()
