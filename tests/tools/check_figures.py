#!/usr/bin/env python3
"""Checks that every number in results/README.md stands in a committed record or follows from one.

  python3 tests/tools/check_figures.py                      one line for each failure
  python3 tests/tools/check_figures.py --suggest            stubs for numbers without a claim
  python3 tests/tools/check_figures.py --show               every claim beside its value
  python3 tests/tools/check_figures.py --value "EXPRESSION" what the records give

results/figures.json holds the claims. Each quotes a piece of the page, word by word, with `{}`
for each number that it answers for, and says for each how the records give it:

  {"text": "reaches {} % with the first layer binary",
   "values": ["cells('tuned', 'stoch-first-reinforce').percent.mean"],
   "true": "rows('tuned')..."}

`values` are compared at the precision that the page shows: 98.6 agrees with 98.5507. Where the
zeros of a whole number are no digits, {"value": "...", "digits": 2} says how many are meant.
`true`, one expression or a list, has to hold; a claim may consist of a text and `true` alone,
for what a sentence says in words. A `{}` may stand for a word from zero to twenty as well.

Each number of the prose and of the tables has exactly one claim. A number that nobody measured
(a version, a name) is listed under `not_measured`: the text that holds it, and the reason. What
is no number at all is said in figures/prose.py.

Expressions read the records by

  cells(suite, row)               .percent .accuracy .loss .seconds .epoch .percent_of_16
                                  .percent_threshold, each with .mean .sd .half (95 %, Student's
                                  t) .min .max .n .values; .n .seeds .config .tests .histories, and
                                  of the table .title .estimator .published_percent
                                  .published_loss
  cell(suite, row, seed)          the record of one run: .config.epochs, .history[0].seconds
  config(suite, row)              what the configurations of all seeds have in common
  rows(suite)                     every row of a table, to loop over; each as `cells` gives it
  paired(suite, row, other)       differences of the percents seed by seed: .mean .half
  published(title)                .percent .loss, of the rows in src/study/reference.rs
  recipe(name), sweep(name)       a file of data/recipes, of results/sweeps
  record(path)                    any JSON file below results/ or data/
  quoted(page, text)              the number at `{}` of a text on another page of results/
  lab(which, name, label, epoch=, nth=1)
                                  the nth number after the label that lab_figures.py prints

with arithmetic, comparisons, comprehensions and sum, min, max, abs, len, all, any, sorted,
distinct, sqrt.
"""
import argparse
import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from figures.expressions import Evaluator, Refused, show  # noqa: E402
from figures.prose import Prose  # noqa: E402
from figures.records import PAGE, Records, functions  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
CLAIMS = "results/figures.json"
MISTAKES = (Refused, ValueError, TypeError, KeyError, IndexError, ArithmeticError, RecursionError)


class Check:
    """The page, its claims, and what was found wrong."""

    def __init__(self, markdown, claims, records):
        self.prose = Prose(markdown)
        self.claims, self.records = claims, records
        self.evaluator = Evaluator(functions(records))
        self.numbers = {(n.start, n.end): n for n in self.prose.numbers}
        self.covered = Counter()
        self.failures, self.shown = [], []

    def run(self):
        """Every failure, in the order of the claims and then of the page."""
        unknown = set(self.claims) - {"about", "claims", "not_measured"}
        for key in sorted(unknown):
            self.failures.append(f"{CLAIMS}: `{key}` is no part of it")
        for claim in self.claims.get("claims", []):
            self.claim(claim)
        for entry in self.claims.get("not_measured", []):
            self.not_measured(entry)
        for span, number in self.numbers.items():
            if self.covered[span] == 0:
                self.fail(number.start, f"no claim covers this number, {number.shown}")
            elif self.covered[span] > 1:
                self.fail(number.start,
                          f"{self.covered[span]} claims cover this number, {number.shown}")
        return self.failures

    def fail(self, at, what):
        self.failures.append(
            f"{PAGE}:{self.prose.line(at)}: “{self.prose.quote(at)}”: {what}")

    def fault(self, entry, what):
        self.failures.append(f"{CLAIMS}: “{entry.get('text', entry)}”: {what}")

    def claim(self, claim):
        """Finds the one place of a claim and looks at its numbers."""
        if "text" not in claim or set(claim) - {"text", "values", "true"}:
            return self.fault(claim, "a claim has `text`, `values` and `true`, nothing else")
        values, true = claim.get("values", []), claim.get("true", [])
        if not values and not true:
            return self.fault(claim, "it claims nothing: `values` or `true` is missing")
        if claim["text"].count("{}") != len(values):
            return self.fault(claim, f"{claim['text'].count('{}')} places for {len(values)} values")
        found = self.prose.find(claim["text"])
        if len(found) != 1:
            return self.fault(claim, f"{PAGE} does not have this text (any more)" if not found
                              else f"{PAGE} has this text {len(found)} times; quote more of it")
        match, numbers = found[0]
        for number, value in zip(numbers, values):
            self.number(number, value)
        for expression in [true] if isinstance(true, str) else true:
            self.truth(match.start(), expression)

    def number(self, number, value):
        """One number against what the records give."""
        span = (number.start, number.end)
        if span in self.numbers:
            self.covered[span] += 1
        elif not number.shown.isalpha():
            return self.fail(number.start, f"the claimed {number.shown} stands in code, or is a "
                             "part of a longer number")
        digits = None
        if isinstance(value, dict):
            value, digits = value["value"], value["digits"]
        given = self.evaluate(number.start, value, (int, float))
        if given is None:
            return
        self.shown.append(f"{self.prose.line(number.start):4} {number.shown:>9} "
                          f"{show(given):>12}  {value}")
        if not number.agrees(given, digits):
            self.fail(number.start, f"the text says {number.shown}, the records give "
                      f"{show(given)} by `{value}` ({self.sources()})")

    def truth(self, at, expression):
        """What has to hold for a sentence to hold."""
        given = self.evaluate(at, expression, bool)
        if given is None:
            return
        self.shown.append(f"{self.prose.line(at):4} {'':9} {given!s:>12}  {expression}")
        if not given:
            self.fail(at, f"the records contradict it: `{expression}` is false, "
                      f"{self.evaluator.why_false(expression)} ({self.sources()})")

    def evaluate(self, at, expression, kind):
        """The value of an expression, or None after saying why there is none."""
        self.records.sources.clear()
        try:
            given = self.evaluator.value(expression)
        except MISTAKES as error:
            self.fail(at, f"`{expression}` cannot be computed: {error}")
            return None
        if not isinstance(given, kind) or isinstance(given, bool) != (kind is bool):
            self.fail(at, f"`{expression}` gives {show(given)}, which is "
                      + ("neither true nor false" if kind is bool else "no number"))
        elif not self.records.sources:
            self.fail(at, f"`{expression}` reads no record")
        else:
            return given
        return None

    def sources(self):
        few, more = self.records.sources[:3], len(self.records.sources) - 3
        return ", ".join(few) + (f" and {more} more" if more > 0 else "")

    def not_measured(self, entry):
        """Takes the numbers in every place of a text as measured by nobody."""
        if set(entry) != {"text", "reason"} or not entry["reason"]:
            return self.fault(entry, "what is not measured has `text` and `reason`")
        if "{}" in entry["text"]:
            return self.fault(entry, "what is not measured is quoted with its numbers")
        spans = [span for match, _ in self.prose.find(entry["text"]) for span in self.numbers
                 if match.start() <= span[0] and span[1] <= match.end()]
        if not spans:
            self.fault(entry, f"{PAGE} does not have this text (any more), or no number in it")
        self.covered.update(spans)

    def suggestions(self):
        """A stub of a claim for each sentence that has numbers without one."""
        stubs, text = {}, self.prose.text
        for span in sorted(span for span in self.numbers if not self.covered[span]):
            stubs.setdefault(self.prose.sentence(span[0]), []).append(span)
        for (start, end), spans in stubs.items():
            pieces, at = [], start
            for low, high in spans:
                pieces.append(text[at:low])
                at = high
            pieces.append(text[at:end])
            shown = [text[low:high] for low, high in spans]
            yield {"text": "{}".join(pieces).strip(), "values": shown}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--suggest", action="store_true",
                           help="print stubs of claims for the numbers that have none; replace "
                           "each number in `values` by its expression")
    arguments.add_argument("--show", action="store_true", help="print the value of every claim")
    arguments.add_argument("--value", metavar="EXPRESSION", help="print what the records give")
    given = arguments.parse_args()
    records = Records(ROOT)
    if given.value is not None:
        try:
            print(show(Evaluator(functions(records)).value(given.value)))
        except MISTAKES as error:
            sys.exit(f"error: `{given.value}` cannot be computed: {error}")
        return 0
    claims = json.loads((ROOT / CLAIMS).read_text(encoding="utf-8"))
    check = Check((ROOT / PAGE).read_text(encoding="utf-8"), claims, records)
    failures = check.run()
    if given.show:
        print("line      page      records  expression")
        print("\n".join(check.shown))
        return 0
    if given.suggest:
        print(",\n".join(json.dumps(stub, ensure_ascii=False, indent=1)
                         for stub in check.suggestions()))
        return 0
    for failure in failures:
        print(failure)
    count = f"{len(check.numbers)} numbers, {len(check.shown)} expressions"
    print(f"{count}, {len(failures)} failures" if failures else f"{count}: all as recorded",
          file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
