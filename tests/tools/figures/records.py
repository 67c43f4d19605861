"""The committed records, as the expressions of claims read them. See `FUNCTIONS` at the foot."""
import json
import re
import subprocess
import sys
from pathlib import Path

from .prose import Prose
from .spread import Figures

PAGE = "results/README.md"
PUBLISHED = re.compile(
    r"^    (?:net|mlp)\(\"([^\"]+)\",.*?(?:([\d.]+), )?([\d.]+)\),$", re.MULTILINE)
# What the test of a cell says, by the names that claims use.
OF_A_TEST = {
    "accuracy": lambda test: test["accuracy"],
    "percent": lambda test: 100 * test["accuracy"],
    "loss": lambda test: test["loss"],
    "epoch": lambda test: test["epoch"],
    "seconds": lambda test: test["train_seconds"],
    "percent_of_16": lambda test: 100 * test["mean_of_16"]["accuracy"],
    "percent_threshold": lambda test: 100 * test["threshold"]["accuracy"],
}
# What is taken of a table's row. All that was measured is computed from the cells.
OF_A_TABLE = ("id", "title", "group", "estimator", "probability", "statistics", "samples",
              "evaluations", "repeats", "published_percent", "published_loss")


class Node:
    """An object or a list of a JSON file. `a.b` finds the key `b`, or `b` with hyphens."""

    def __init__(self, value):
        self.value = value

    def get(self, name):
        for key in (name, name.replace("_", "-")):
            if isinstance(self.value, dict) and key in self.value:
                return node(self.value[key])
        raise ValueError(f"the record has no `{name}` there")

    def item(self, key):
        try:
            return node(self.value[key])
        except (KeyError, IndexError, TypeError):
            raise ValueError(f"the record has no [{key!r}] there") from None

    def __iter__(self):
        return (node(x) for x in self.value)

    def __len__(self):
        return len(self.value)

    def __repr__(self):
        return json.dumps(self.value)[:80]


def node(value):
    """Numbers, words and null as they are; the rest as a Node."""
    return Node(value) if isinstance(value, (dict, list)) else value


class Row:
    """The cells of one row of a table, one a seed, and what the table says of the row."""

    def __init__(self, records, suite, name):
        self.records, self.suite, self.name = records, suite, name

    def cells(self):
        return self.records.cells_by_seed(self.suite, self.name)

    def get(self, name):
        if name in ("n", "seeds"):
            seeds = sorted(self.records.cells_by_seed(self.suite, self.name, needed=False))
            return len(seeds) if name == "n" else Node(seeds)
        if name in OF_A_TEST:
            return Figures(of_a_test(cell, name) for cell in self.cells().values())
        if name == "config":
            return Node(self.config())
        if name == "tests":
            return Node([cell["test"] for cell in self.cells().values()])
        if name == "histories":
            return Node([cell["history"] for cell in self.cells().values()])
        if name in OF_A_TABLE:
            return node(self.records.table_row(self.suite, self.name).get(name))
        raise ValueError(f"a row has no `{name}`")

    def config(self):
        """What the configurations of all seeds have in common."""
        all_of_them = [cell["config"] for cell in self.cells().values()]
        shared = {key: value for key, value in all_of_them[0].items()
                  if all(config.get(key) == value for config in all_of_them)}
        return shared

    def __repr__(self):
        return f"{self.suite} {self.name}"


def of_a_test(cell, name):
    try:
        return OF_A_TEST[name](cell["test"])
    except (KeyError, TypeError):
        raise ValueError(f"a cell of {cell['row']} has no `{name}`") from None


class Records:
    """Reads files below the project's folder, and notes which it read."""

    def __init__(self, root):
        self.root = Path(root).resolve()
        self.read_files, self.lab_output = {}, {}
        self.sources = []

    def note(self, source):
        if source not in self.sources:
            self.sources.append(source)

    def json(self, path):
        """The content of a JSON file below results/ or data/."""
        file = (self.root / path).resolve()
        if not any(file.is_relative_to(self.root / folder) for folder in ("results", "data")):
            raise ValueError(f"{path} is not below results/ or data/")
        if path not in self.read_files:
            if not file.is_file():
                raise ValueError(f"there is no {path}")
            self.read_files[path] = json.loads(file.read_text(encoding="utf-8"))
        return self.read_files[path]

    def cells_by_seed(self, suite, row, needed=True):
        folder = f"results/cells/{suite}-mnist"
        pattern = re.compile(re.escape(row) + r"-seed(\d+)\.json")
        found = {}
        for file in (self.root / folder).glob("*.json"):
            if match := pattern.fullmatch(file.name):
                found[int(match[1])] = self.json(f"{folder}/{file.name}")
        if needed and not found:
            raise ValueError(f"there is no cell {folder}/{row}-seed*.json")
        self.note(f"{folder}/{row}-seed*.json")
        return dict(sorted(found.items()))

    def table_row(self, suite, row):
        """The row in the table's JSON, which must have been drawn from the cells at hand."""
        path = f"results/{suite}-mnist.json"
        rows = [r for r in self.json(path)["rows"] if r["id"] == row]
        if not rows:
            raise ValueError(f"{path} has no row `{row}`")
        cells = self.cells_by_seed(suite, row, needed=False)
        drawn = (rows[0].get("percent") or {}).get("mean")
        now = Figures(100 * c["test"]["accuracy"] for c in cells.values()).mean if cells else None
        if (drawn is None) != (now is None) or drawn is not None and abs(drawn - now) > 1e-6:
            raise ValueError(f"{path} was not drawn from the cells of `{row}` that are here")
        self.note(path)
        return rows[0]

    # What expressions may call.

    def cells(self, suite, row):
        return Row(self, suite, row)

    def cell(self, suite, row, seed):
        cells = self.cells_by_seed(suite, row)
        if seed not in cells:
            raise ValueError(f"there is no cell of {row} with seed {seed}")
        return Node(cells[seed])

    def config(self, suite, row):
        return Node(Row(self, suite, row).config())

    def rows(self, suite):
        return [Row(self, suite, r["id"]) for r in self.json(f"results/{suite}-mnist.json")["rows"]]

    def paired(self, suite, row, other, figure="percent", other_suite=None):
        """The differences row - other, seed by seed, over the seeds that both have."""
        mine = self.cells_by_seed(suite, row)
        theirs = self.cells_by_seed(other_suite or suite, other)
        return Figures(of_a_test(mine[seed], figure) - of_a_test(theirs[seed], figure)
                       for seed in mine if seed in theirs)

    def published(self, title):
        path = "src/study/reference.rs"
        for row, loss, percent in PUBLISHED.findall((self.root / path).read_text("utf-8")):
            if row == title:
                self.note(path)
                found = {"percent": float(percent)}
                return Node(found | ({"loss": float(loss)} if loss else {}))
        raise ValueError(f"{path} has no published row “{title}”")

    def recipe(self, name):
        return self.record(f"data/recipes/{name}.json")

    def sweep(self, name):
        return self.record(f"results/sweeps/{name}.json")

    def record(self, path):
        self.note(path)
        return node(self.json(path))

    def quoted(self, page, text):
        """The number that stands at `{}` of a text on another page of results/."""
        self.note(page)
        file = (self.root / page).resolve()
        if not file.is_relative_to(self.root / "results") or not file.is_file():
            raise ValueError(f"there is no page {page} in results/")
        if page == PAGE:
            raise ValueError(f"{page} is what is checked, and no record")
        found = Prose(file.read_text(encoding="utf-8")).find(text)
        if len(found) != 1 or len(found[0][1]) != 1:
            raise ValueError(f"{page} has “{text}” {len(found)} times, or not with one number")
        return found[0][1][0].value

    def lab(self, which, name, label, epoch, nth=1):
        """The nth number after `label` on the line that lab_figures.py prints of an estimator
        at an epoch; the name `epoch` is the line that opens the epoch."""
        path = f"results/lab/{which}/lab.json"
        self.note(f"{path} by tests/tools/lab_figures.py")
        at = None
        for line in self.lab_lines(path):
            words = line.split()
            if words[:1] == ["epoch"]:
                at = int(words[1].rstrip(",:"))
            if at == epoch and words[:1] == [name] and label in line:
                after = re.findall(r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?", line.split(label, 1)[1])
                if len(after) >= nth:
                    return float(after[nth - 1].replace(",", ""))
        raise ValueError(f"lab_figures.py prints no “{label}” of {name} at epoch {epoch} of {path}")

    def printed(self, which, text, nth=1):
        """The nth number after `text` on the one line of lab_figures.py that has it."""
        path = f"results/lab/{which}/lab.json"
        self.note(f"{path} by tests/tools/lab_figures.py")
        found = [line for line in self.lab_lines(path) if text in line]
        if len(found) != 1:
            raise ValueError(f"lab_figures.py prints “{text}” on {len(found)} lines of {path}")
        return self.nth_number(found[0].split(text, 1)[1], nth)

    def own(self, which, trained, epoch, text, nth=1):
        """The nth number after `text` on a line of the part of lab_figures.py that is of a
        training with the estimator `trained` and an epoch of it."""
        path = f"results/lab/{which}/lab.json"
        self.note(f"{path} by tests/tools/lab_figures.py")
        part, found = (None, None), []
        for line in self.lab_lines(path):
            words = line.split()
            if words[:2] == ["trained", "with"]:
                part = (" ".join(words[2:]), None)
            elif words[:1] == ["epoch"]:
                part = (part[0], int(words[1].rstrip(",:")))
            if part == (trained, epoch) and text in line:
                found.append(line.split(text, 1)[1])
        if not found:
            raise ValueError(f"lab_figures.py prints no “{text}” of {trained} at epoch {epoch}")
        return self.nth_number(found[0], nth)

    @staticmethod
    def nth_number(text, nth):
        found = re.findall(r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?", text)
        if len(found) < nth:
            raise ValueError(f"“{text.strip()}” has {len(found)} numbers, not {nth}")
        return float(found[nth - 1].replace(",", ""))

    def lab_lines(self, path):
        if path not in self.lab_output:
            script = self.root / "tests/tools/lab_figures.py"
            done = subprocess.run([sys.executable, script, self.root / path],
                                  capture_output=True, text=True)
            if done.returncode != 0:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise ValueError(f"lab_figures.py fails on {path}: {last}")
            self.lab_output[path] = done.stdout.splitlines()
        return self.lab_output[path]


FUNCTIONS = ("cells", "cell", "config", "rows", "paired", "published", "recipe", "sweep",
             "record", "quoted", "lab", "printed", "own")


def functions(records):
    """By their names, what expressions may call to read records."""
    return {name: getattr(records, name) for name in FUNCTIONS}
