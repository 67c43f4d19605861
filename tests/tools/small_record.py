#!/usr/bin/env python3
"""Makes a record of one run for results/ out of what `bnn-cpu inspect RUN --json` prints.

  bnn-cpu inspect RUN --json | python3 tests/tools/small_record.py "LABEL OF THE DATA" > RECORD.json

Where the run and its data lay is left out; the label says what the data are.
"""
import json
import sys

run = json.load(sys.stdin)
del run["config"]["dataset"]["source"]
kept = ("config", "metrics", "best_epoch", "test", "params_f32", "params_bit", "madds_f32", "madds_bit")
record = {"data": sys.argv[1]} | {key: run[key] for key in kept}
print(json.dumps(record, indent=1))
