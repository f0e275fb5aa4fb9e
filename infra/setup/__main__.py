"""``python3 -m quartermaster.infra.setup``: set-up with nothing but Python's standard library."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (this runs on whatever python3 the machine has)
    raise SystemExit("set-up needs Python 3.11 or newer; name one: make setup PYTHON=/path/to/python3.11")

from quartermaster.infra.setup.run import main

raise SystemExit(main())
