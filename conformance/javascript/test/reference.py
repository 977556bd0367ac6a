"""The reference's command line, kept running: a JSON array of arguments a line, answered by {"code", "out": base64}."""

import base64
import io
import json
import sys

from jellyformat.cli.main import main

answers = sys.stdout
for line in sys.stdin:
    sys.argv = ["jellyformat", *json.loads(line)]
    out = io.BytesIO()
    sys.stdout = io.TextIOWrapper(out, encoding="utf-8")
    try:
        main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    sys.stdout.flush()
    answers.write(json.dumps({"code": code, "out": base64.b64encode(out.getvalue()).decode()}) + "\n")
    answers.flush()
