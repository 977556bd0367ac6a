"""`python conformance/generate` is `python conformance/generate/all.py`."""

import runpy
import sys
from pathlib import Path

target = Path(__file__).with_name("all.py")
sys.argv[0] = str(target)
runpy.run_path(str(target), run_name="__main__")
