"""``python -m quartermaster.cli``: the same as ``ops``."""

from quartermaster.cli.main import app

app()
