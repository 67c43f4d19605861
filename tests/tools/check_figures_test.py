#!/usr/bin/env python3
"""Tests of check_figures.py: what is wrong on a page has to be found, and what is right let pass.

  python3 tests/tools/check_figures_test.py
"""
import json
import math
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from check_figures import Check  # noqa: E402
from figures.expressions import Evaluator, Refused  # noqa: E402
from figures.prose import Number, Prose  # noqa: E402
from figures.records import Records, functions  # noqa: E402
from figures.spread import Figures, student_quantile  # noqa: E402

LAB = """import sys
print("epoch 1, reference rebar, its standard error 9.7 %")
print("  st    200 draws  bias  8.8 % +-  4.7  draws to half of ST's error  8,411")
"""
RUST = """    net("stochastic, both, ST", Placement::Both, Some((STOCH, "st")), 0.0710, 97.54),
    mlp("MLP, hard sigmoid", None, false, 97.34),
"""


def cell(row, seed, accuracy, **config):
    return {"suite": "small", "row": row, "config": {"epochs": 10, "seed": seed, **config},
            "test": {"accuracy": accuracy, "loss": 0.1 * seed, "train_seconds": 60.0}}


class Project(unittest.TestCase):
    """A project of two rows with three seeds each, in a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.write("src/study/reference.rs", RUST)
        self.write("tests/tools/lab_figures.py", LAB)
        self.write("results/lab/both/lab.json", "{}")
        self.write("data/recipes/small.json", json.dumps({"val-fraction": 0.05}))
        for seed, (a, b) in enumerate([(0.9862, 0.95), (0.9823, 0.94), (0.9785, 0.96)], 1):
            self.write_cell(cell("a", seed, a))
            self.write_cell(cell("b", seed, b, epochs=10 * seed))
        self.write_table({"a": 100 * (0.9862 + 0.9823 + 0.9785) / 3, "b": 95.0})

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def write_cell(self, record):
        path = f"results/cells/small-mnist/{record['row']}-seed{record['config']['seed']}.json"
        self.write(path, json.dumps(record))

    def write_table(self, means):
        rows = [{"id": name, "published_percent": 97.5, "percent": {"mean": mean}}
                for name, mean in means.items()]
        self.write("results/small-mnist.json", json.dumps({"rows": rows}))

    def failures(self, page, *claims, not_measured=()):
        content = {"claims": list(claims), "not_measured": list(not_measured)}
        return Check(page, content, Records(self.root)).run()

    def value(self, expression):
        return Evaluator(functions(Records(self.root))).value(expression)

    def assertFails(self, failures, *parts):
        self.assertEqual(len(failures), 1, failures)
        self.assertEqual(failures[0].count("\n"), 0)
        for part in parts:
            self.assertIn(part, failures[0])


class Pages(Project):
    MEAN = "cells('small', 'a').percent.mean"

    def test_a_page_that_says_what_the_records_say_passes(self):
        page = "# Page\n\nThe row\nreaches 98.2 %, over\n three seeds.\n"
        claim = {"text": "reaches {} %, over {} seeds", "values": [self.MEAN, "cells('small', 'a').n"],
                 "true": "all(r.percent.min > 90 for r in rows('small'))"}
        self.assertEqual(self.failures(page, claim), [])

    def test_a_wrong_number_is_told_with_sentence_record_and_file(self):
        page = "First. The row reaches 98.3 %. Last."
        claim = {"text": "reaches {} %", "values": [self.MEAN]}
        self.assertFails(self.failures(page, claim), "README.md:1", "“The row reaches 98.3 %.”",
                         "the text says 98.3", "98.2333", self.MEAN,
                         "results/cells/small-mnist/a-seed*.json")

    def test_a_wrong_word_is_found(self):
        claim = {"text": "over {} seeds", "values": ["cells('small', 'a').n"]}
        self.assertFails(self.failures("Over all, over two seeds.", claim), "says two", "give 3")

    def test_a_number_without_a_claim_is_found(self):
        self.assertFails(self.failures("| row | 98.2 |"), "no claim covers this number, 98.2")

    def test_a_number_with_two_claims_is_found(self):
        claims = [{"text": text, "values": [self.MEAN]} for text in ("reaches {}", "{} %")]
        self.assertFails(self.failures("It reaches 98.2 %.", *claims), "2 claims cover")

    def test_a_claim_whose_text_is_gone_fails(self):
        claim = {"text": "attains {} %", "values": [self.MEAN]}
        self.assertFails(self.failures("It reaches more.", claim), "any more")

    def test_a_claim_that_fits_two_places_fails(self):
        claim = {"text": "reaches {} %", "values": [self.MEAN]}
        failures = self.failures("It reaches 98.2 %. That reaches 98.2 %.", claim)
        self.assertIn("2 times", failures[0])

    def test_a_claim_that_takes_a_part_of_a_number_fails(self):
        claim = {"text": "It reaches 9{} %", "values": ["8.2 + 0 * " + self.MEAN]}
        failures = self.failures("It reaches 98.2 %.", claim)
        self.assertEqual(len(failures), 2, failures)

    def test_a_sentence_in_words_that_does_not_hold_fails(self):
        claim = {"text": "Every row is above the published one.",
                 "true": "all(r.percent.mean > r.published_percent for r in rows('small'))"}
        self.assertFails(self.failures("Every row is above the published one.", claim),
                         "is false", "it does not hold of small b")

    def test_both_sides_of_a_comparison_that_does_not_hold_are_told(self):
        claim = {"text": "It is better.", "true": f"{self.MEAN} > 99"}
        self.assertFails(self.failures("It is better.", claim), "98.2333 and 99")

    def test_a_claim_that_reads_no_record_fails(self):
        claim = {"text": "reaches {} %", "values": ["98.2"]}
        self.assertFails(self.failures("It reaches 98.2 %.", claim), "reads no record")

    def test_values_and_places_have_to_be_as_many(self):
        claim = {"text": "no place", "values": [self.MEAN]}
        self.assertFails(self.failures("There is no place.", claim), "0 places for 1 values")

    def test_what_is_not_measured_needs_a_reason_and_a_place(self):
        page = "A processor (Zen 4), twice Zen 4."
        entry = {"text": "Zen 4", "reason": "a name"}
        self.assertEqual(self.failures(page, not_measured=[entry]), [])
        self.assertIn("`reason`", self.failures("-", not_measured=[entry | {"reason": ""}])[0])
        self.assertFails(self.failures("-", not_measured=[entry]), "any more")

    def test_stubs_quote_the_sentence_and_fit_it(self):
        page = "It reaches 98.2 % over 3 seeds. No number."
        check = Check(page, {"claims": []}, Records(self.root))
        check.run()
        stubs = list(check.suggestions())
        self.assertEqual(stubs, [{"text": "It reaches {} % over {} seeds.", "values": ["98.2", "3"]}])
        self.assertEqual(len(check.prose.find(stubs[0]["text"])), 1)


class Numbers(unittest.TestCase):
    def test_what_is_a_number_and_what_is_none(self):
        page = ("# Part 1\n\n2. An item of `4` and 3x5, f32, [a 6](b/7.md), -0.5 and AVX-512, "
                "arXiv:1308.3432, 2026-11-27, 1 March 2024 and 1,234.5 or 5e-7.\n\n"
                "```sh\nrun 8\n```\n| 9, 10 | <https://e.org/11> <!-- 12 --> |\n")
        self.assertEqual([n.shown for n in Prose(page).numbers],
                         ["1", "3", "5", "6", "-0.5", "512", "1,234.5", "5e-7", "9", "10"])

    def test_rounding_goes_by_the_digits_that_are_shown(self):
        for shown, value, agrees in [
                ("98.6", 98.5507, True), ("98.6", 98.5499, False), ("98.6", 98.65, True),
                ("98.60", 98.5507, False), ("98.60", 98.6049, True), ("17", 17.49, True),
                ("0.13", 0.125, True), ("0.12", 0.125, True), ("-0.3", -0.26, True),
                ("0.3", -0.3, False), ("5e-7", 5.4e-7, True), ("5e-7", 5.6e-7, False)]:
            self.assertEqual(Number(0, shown).agrees(value), agrees, (shown, value))

    def test_thousands_have_separators_and_digits_that_count(self):
        self.assertEqual(Number(0, "29,034").value, 29034)
        self.assertTrue(Number(0, "8,400").agrees(8411, digits=2))
        self.assertFalse(Number(0, "8,400").agrees(8411))
        self.assertFalse(Number(0, "8,400").agrees(8451, digits=2))
        self.assertFalse(Number(0, "8,410").agrees(8411, digits=2))
        self.assertTrue(Number(0, "600,000").agrees(602873, digits=1))


class Spreads(Project):
    def test_quantiles_are_those_of_printed_tables(self):
        for p, freedom, t in [(0.975, 1, 12.7062), (0.975, 2, 4.30265), (0.975, 4, 2.77645),
                              (0.975, 9, 2.26216), (0.975, 29, 2.04523), (0.95, 5, 2.01505),
                              (0.995, 120, 2.61742), (0.975, 1000, 1.96234), (0.5, 7, 0.0)]:
            self.assertAlmostEqual(student_quantile(p, freedom), t, delta=6e-6 * max(1, t))

    def test_spreads_follow_the_textbook(self):
        spread = Figures([2, 4, 9])
        self.assertEqual((spread.n, spread.mean, spread.min, spread.max), (3, 5, 2, 9))
        self.assertAlmostEqual(spread.sd, math.sqrt(13))
        self.assertAlmostEqual(spread.half, 4.30265273 * math.sqrt(13 / 3), places=7)
        with self.assertRaises(ValueError):
            Figures([1]).half  # noqa: B018

    def test_differences_are_taken_seed_by_seed(self):
        values = self.value("paired('small', 'a', 'b').values")
        for found, wanted in zip(values, [3.62, 4.23, 1.85]):
            self.assertAlmostEqual(found, wanted)
        self.assertAlmostEqual(self.value("paired('small', 'a', 'b').half"),
                               Figures([3.62, 4.23, 1.85]).half)
        (self.root / "results/cells/small-mnist/b-seed3.json").unlink()
        self.assertEqual(self.value("paired('small', 'a', 'b').n"), 2)


class Expressions(Project):
    def test_records_are_read(self):
        for expression, value in [
                ("cell('small', 'a', 2).test.accuracy", 0.9823),
                ("config('small', 'a').epochs", 10),
                ("published('stochastic, both, ST').loss", 0.071),
                ("published('MLP, hard sigmoid').percent", 97.34),
                ("recipe('small').val_fraction * 60000", 3000),
                ("lab('both', 'st', 'bias', epoch=1)", 8.8),
                ("lab('both', 'st', 'bias', epoch=1, nth=2)", 4.7),
                ("lab('both', 'st', \"half of ST's error\", epoch=1)", 8411),
                ("lab('both', 'epoch', 'standard error', epoch=1)", 9.7),
                ("sum(x > 98 for x in cells('small', 'a').percent.values)", 2),
                ("max([r.percent.mean for r in rows('small') if r.id != 'a'])", 95),
                ("cells('small', 'a' + '').seeds[-1] ** 2 % 5", 4)]:
            self.assertAlmostEqual(self.value(expression), value, msg=expression)

    def test_what_seeds_do_not_share_is_no_configuration(self):
        with self.assertRaisesRegex(ValueError, "no `epochs`"):
            self.value("config('small', 'b').epochs")

    def test_a_table_that_was_drawn_from_other_cells_is_refused(self):
        self.write_table({"a": 98.0, "b": 95.0})
        with self.assertRaisesRegex(ValueError, "not drawn from the cells"):
            self.value("cells('small', 'a').published_percent")

    def test_a_row_without_cells_has_no_figures(self):
        with self.assertRaisesRegex(ValueError, "there is no cell"):
            self.value("cells('small', 'c').percent.mean")
        self.assertEqual(self.value("cells('small', 'c').n"), 0)

    def test_files_elsewhere_are_not_read(self):
        for path in ("../secret.json", "/etc/passwd", "src/x.json", "results/../src/x.json"):
            with self.assertRaisesRegex(ValueError, "not below"):
                self.value(f"record('{path}')")

    def test_what_is_not_known_is_refused(self):
        for expression in [
                "__import__('os').system('true')", "open('x')", "().__class__", "cells.__self__",
                "cells('small', 'a').__class__", "cells('small', 'a').records",
                "cells('small', 'a').percent.__init__", "recipe('small').value",
                "(lambda: 1)()", "[x for x, y in [(1, 2)]]", "'a' * 1000000000", "9 ** 9 ** 9",
                "f'{1}'", "{1: 2}", "(x := 1)", "sum(*[1])", "max(**{'a': 1})", "1 if True else 2",
                "undefined", "1; 2", "cells('small', 'a')['n']"]:
            with self.assertRaises((Refused, ValueError), msg=expression):
                self.value(expression)


if __name__ == "__main__":
    unittest.main()
