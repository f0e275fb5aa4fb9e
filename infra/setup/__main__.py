"""``python3 -m quartermaster.infra.setup``: set-up with nothing but Python's standard library."""

from quartermaster.infra.setup.run import main

raise SystemExit(main())
