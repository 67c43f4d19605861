#!/usr/bin/env python3
"""Writes what the program is made of: a software bill of materials (CycloneDX 1.5, JSON).

    sbom.py TARGET FILE.cdx.json      TARGET of rustc, such as x86_64-unknown-linux-gnu

Every crate that the program is linked with on that target under the default features, or that writes
code for one of these, with its version, its licence, the SHA-256 that Cargo.lock states, and which crates it stands on. The same sources give the
same bytes.
"""
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main():
    target, out = sys.argv[1:]
    asked = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    text = subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = json.loads(text)
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    sums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    own = next(id for id, p in packages.items() if p["name"] == "bnn-cpu" and p["source"] is None)

    # Metadata has the features of tests and of other crates here; the tree those of the program.
    asked = ["cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", "bnn-cpu",
             "--target", target]
    tree = subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    linked = {id for id, p in packages.items() if (p["name"], "v" + p["version"]) in names}
    if len(linked) != len(names):
        sys.exit(f"sbom.py: the tree names {len(names)} crates, and metadata knows {len(linked)} of them")

    def below(id):
        """Crates that are linked, not those that build or test."""
        kinds = [(dep["pkg"], [kind["kind"] for kind in dep["dep_kinds"]]) for dep in nodes[id]["deps"]]
        return sorted(pkg for pkg, kind in kinds if None in kind and pkg in linked)

    def purl(id):
        return f"pkg:cargo/{packages[id]['name']}@{packages[id]['version']}"

    def component(id):
        package = packages[id]
        made = {"type": "library", "bom-ref": purl(id), "name": package["name"], "version": package["version"],
                "purl": purl(id)}
        if package["license"]:
            # Older crates write OR as a slash.
            made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        digest = sums.get((package["name"], package["version"]))
        if digest:
            made["hashes"] = [{"alg": "SHA-256", "content": digest}]
        elif id != own:
            sys.exit(f"sbom.py: Cargo.lock has no checksum of {package['name']}")
        return made

    order = sorted(linked, key=purl)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**component(own), "type": "application"},
                     "properties": [{"name": "target", "value": target}]},
        "components": [component(id) for id in order if id != own],
        "dependencies": [{"ref": purl(id), "dependsOn": sorted(map(purl, below(id)))} for id in order],
    }
    Path(out).write_text(json.dumps(bill, indent=1) + "\n")
    print(f"{out}: {len(order)} crates")


main()
