"""Runs a script for each case of those on stdin, in one process. Prints what came of each as one line of JSON."""

import json
import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import exchange

cases = json.load(sys.stdin)
script = sys.argv[1]
sys.argv = sys.argv[1:]
outcomes = []
for case in cases:
    exchange.begin(case)
    try:
        runpy.run_path(script)
        outcomes.append(exchange.told[0])
    except Exception as error:  # the test looks whether it should have come
        outcomes.append({"raised": exchange.words(error)})
print("\n" + json.dumps(outcomes))
