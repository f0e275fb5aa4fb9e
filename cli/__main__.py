"""``python -m quartermaster.cli``: the same as ``ops``."""

from quartermaster.cli.main import app

if __name__ == "__main__":  # processes of a forecast import this file anew
    app()
