#!/usr/bin/env python3
"""Mutation testing with one build: is every mutant of cargo-mutants caught by a test?

    python3 tests/tools/mutants.py src/pack src/estimators
    python3 tests/tools/mutants.py --again      only those that survived the last time
    python3 tests/tools/mutants.py --go-on      only those that were not tried the last time
    python3 tests/tools/mutants.py --list       those that survived, with their numbers

cargo-mutants (`cargo install cargo-mutants`) builds the crate once a mutant, which for
the thousand mutants of these folders is half a day. Here its own list
(`cargo mutants --list`) is written into a copy of the files under version control, each mutant
behind a switch (tests/tools/mutants), built once, and switched on one at a time with
the tests below, the quick ones first, until one fails, or runs ten times as long as it
should. Mutants that have no such form, or do not compile in it, are named at the end:
`cargo mutants --re NAME` tries them the slow way.

Everything is left in target/mutants: list.json, state.json (what became of each).
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "mutants"
COPY = WORK / "copy"
# Of each folder the test targets that look at it, the quick ones first; of long ones, the
# tests whose names contain one of these words.
STAGES = {
    "src/pack": [
        ("lib", ["pack"]),
        ("lowering", []),
        ("packed", []),
        ("packed_files", []),
        ("binary_weights", []),
        ("oracle", ["packed"]),
        ("numbers", []),
        ("sizes", []),
        ("cli", ["infer", "export", "pack"]),
    ],
    "src/estimators": [
        ("lib", ["estimators", "tape", "layers", "lab"]),
        ("golden_estimators", []),
        ("estimator_formulas", []),
        ("registering", []),
        ("groups", []),
        ("unbiased", []),
        ("parity", []),
        ("seednet", []),
        ("learning", []),
        ("trainer", []),
        ("recipes", []),
        ("cli", ["estimators"]),
        ("numbers", []),
        ("golden_losses", []),
    ],
}
SWITCH = """
/// Whether mutant `id` is the one that is switched on.
pub(crate) fn mutant(id: u32) -> bool {
    static ON: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    id == *ON.get_or_init(|| std::env::var("BNN_MUTANT").map_or(0, |id| id.parse().unwrap_or(0)))
}
"""
ENV = dict(os.environ, CARGO_TARGET_DIR=str(WORK / "build"), BNN_CPU_PACKED_NETS="60", PROPTEST_CASES="16",
           RAYON_NUM_THREADS="1", RUSTFLAGS="--cap-lints allow", PROPTEST_FAILURE_PERSISTENCE="off")
ENV.pop("BNN_CPU_DATA", None)


def run(args, **more):
    return subprocess.run(args, cwd=COPY, env=ENV, text=True, capture_output=True, **more)


def write(listed, left_out):
    """A copy of the files under version control with every mutant but `left_out`; those that have no place."""
    fresh = WORK / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    packed = subprocess.run(["tar", "c", "--null", "-T", "-"], cwd=ROOT, input=files, capture_output=True, check=True)
    subprocess.run(["tar", "x"], cwd=fresh, input=packed.stdout, check=True)
    manifest = ROOT / "tests/tools/mutants/Cargo.toml"
    placeless = []
    build = ["--target-dir", WORK / "tool", "--manifest-path", manifest]
    for file in sorted({m["file"] for m in listed}):
        tool = ["cargo", "run", "-q", "--release", *build, "--", WORK / "list.json", file]
        env = dict(os.environ, LEAVE_OUT=" ".join(map(str, left_out)))
        done = subprocess.run(tool, cwd=fresh, env=env, text=True, capture_output=True)
        if done.returncode:
            sys.exit(done.stderr)
        placeless += map(int, done.stdout.split())
    with open(fresh / "src/lib.rs", "a") as lib:
        lib.write(SWITCH)
    # Only what has changed is written, so that only that is built again.
    for file in (f for f in fresh.rglob("*") if f.is_file()):
        old = COPY / file.relative_to(fresh)
        if not old.exists() or old.read_bytes() != file.read_bytes():
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, old)
    return placeless


def build():
    """The test binaries by target, or the numbers of mutants that do not compile."""
    targets = sorted({target for stages in STAGES.values() for target, _ in stages})
    flags = ["--lib" if t == "lib" else f"--test={t}" for t in targets]
    binaries, bad, errors = {}, set(), []
    for line in run(["cargo", "test", "--no-run", "--message-format=json", *flags]).stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] != "bnn-cpu":
            name = "lib" if "lib" in message["target"]["kind"] else message["target"]["name"]
            binaries[name] = message["executable"]
        error = message.get("message", {})
        if isinstance(error, dict) and error.get("level") == "error" and error["spans"]:
            errors.append(error["rendered"])
            for span in error["spans"]:
                text = (COPY / span["file_name"]).read_bytes()
                # The mutant that the error stands in: opened before it, not closed.
                opened = [int(id) for id in re.findall(rb"/\*\[(\d+)\*/", text[: span["byte_end"]])]
                closed = {int(id) for id in re.findall(rb"/\*(\d+)\]\*/", text[: span["byte_start"]])}
                bad.update(id for id in opened if id not in closed)
                # A constant, which cannot ask which mutant is on.
                bad.update(map(int, re.findall(rb"mutant\((\d+)\)", text[span["byte_start"] : span["byte_end"]])))
    if not bad and len(binaries) < len(targets):
        sys.exit("the copy does not compile:\n" + "\n".join(errors[:3]))
    return binaries, bad


def stage(binaries, target, names, limit, mutant=None):
    """Whether the tests passed; None if they ran for longer than `limit` seconds."""
    env = dict(ENV, CARGO_MANIFEST_DIR=str(COPY), TMPDIR=str(WORK / "tmp"))
    if mutant is not None:
        env["BNN_MUTANT"] = str(mutant)
    try:
        tests = [binaries[target], *names, "--test-threads", "1", "-q"]
        with open(WORK / f"log-{os.getpid()}", "w") as log:
            done = subprocess.run(tests, cwd=COPY, env=env, timeout=limit, stdout=log, stderr=log)
        return done.returncode == 0
    except subprocess.TimeoutExpired:
        return None


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "tmp").mkdir(exist_ok=True)
    state_file = WORK / "state.json"
    again, going_on, listing = (f"--{word}" in sys.argv for word in ("again", "go-on", "list"))
    folders = [a for a in sys.argv[1:] if not a.startswith("--")]
    if again or going_on or listing:
        old = json.loads(state_file.read_text())
        folders = old["folders"]
    listing_args = [f for folder in folders for f in ("-f", f"{folder}/**")]
    text = subprocess.run(["cargo", "mutants", "--list", "--json", *listing_args], cwd=ROOT, text=True,
                          capture_output=True, check=True).stdout
    (WORK / "list.json").write_text(text)
    listed = json.loads(text)
    if listing:
        for name, what in old["mutants"].items():
            if what["fate"] != "killed":
                print(f"{what['fate']:10} {name}")
        return
    # Known from the last time: the copy stays as it was, and is not built again.
    known_bad = WORK / "no-form.json"
    names = set(json.loads(known_bad.read_text())) if known_bad.exists() else set()
    bad = {id for id, mutant in enumerate(listed, 1) if mutant["name"] in names}
    while True:
        placeless = write(listed, bad)
        binaries, more = build()
        if not more:
            break
        print(f"{len(more)} do not compile in this form", flush=True)
        bad |= more
    known_bad.write_text(json.dumps([mutant["name"] for id, mutant in enumerate(listed, 1) if id in bad]))
    times = {}
    for target, names in {(t, tuple(n)): n for stages in STAGES.values() for t, n in stages}.items():
        start = time.time()
        if not stage(binaries, target[0], names, 900):
            sys.exit(f"{target[0]} fails without a mutant:\n" + (WORK / f"log-{os.getpid()}").read_text()[-2000:])
        times[target] = time.time() - start
        print(f"{target[0]} {' '.join(names)}: {times[target]:.1f} s", flush=True)
    names = {mutant["name"] for mutant in listed}
    known = old["mutants"] if again or going_on else {}
    state = {"folders": folders, "mutants": {name: fate for name, fate in known.items() if name in names}}
    for id, mutant in enumerate(listed, 1):
        name = mutant["name"]
        known = state["mutants"].get(name)
        if known and (going_on or known["fate"] == "killed"):
            continue
        fate = {"fate": "slow way"} if id in bad or id in placeless else {"fate": "survived"}
        if fate["fate"] == "survived":
            folder = next(folder for folder in STAGES if name.startswith(folder))
            for target, names in STAGES[folder]:
                passed = stage(binaries, target, names, 10 * times[target, tuple(names)] + 10, id)
                if not passed:
                    fate = {"fate": "killed", "by": target, "hung": passed is None}
                    break
        state["mutants"][name] = dict(fate, number=id)
        state_file.write_text(json.dumps(state, indent=1))
        if fate["fate"] != "killed":
            print(f"{fate['fate']}: {name}", flush=True)
    fates = [m["fate"] for m in state["mutants"].values()]
    print({fate: fates.count(fate) for fate in sorted(set(fates))})


if __name__ == "__main__":
    main()
