"""What a person can do about what a host, ssh, sudo or the package manager says. Pure."""

from __future__ import annotations

import re

__all__ = ["remedy"]

_REMEDIES = (
    ("permission denied", "put the fleet's public key back into ~admin/.ssh/authorized_keys, or replace the host"),
    (
        "host key verification|identification has changed",
        "replace the host, or put back its key: only those that it said at launch are taken",
    ),
    ("apt-get.*no such file", "hosts without apt are replaced: patching.CLUSTER.method: replace"),
    ("sudo:", "let user admin use sudo without a password again (`ops configure` does while it still can)"),
    ("no space left|enough free space", "free space on the host"),
    (r"\block\b", "end the process that holds the lock, or wait for it"),
    ("failed to fetch|unable to fetch|could not resolve", "see that the host reaches its package repository"),
    ("was not found|unable to locate", "plan again: the repository no longer offers what was planned"),
    ("the plan does not hold|not at the pinned", "plan again: packages of the host changed since the plan"),
    (
        "nothing was saved|could not be had",
        "put its packages back by hand, or terminate the host: its group launches another",
    ),
    ("not valid yet|expired", "set the host's clock right"),
    ("holds no bundle|converge", "read /var/log/ops-converge.log, then `ops configure`"),
    ("(upgrade|rollback) (failed|was not done)", "read the newest log under /var/lib/ops/patch on the host"),
    ("timed out|no route|connection|broken pipe|no answer", "see whether the host runs: `ops status`"),
)


def remedy(trouble: str) -> str:
    """The first remedy that fits the words of a trouble; empty when none does."""
    return next((what for words, what in _REMEDIES if re.search(words, trouble, re.IGNORECASE)), "")
