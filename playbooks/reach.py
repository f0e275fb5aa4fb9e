"""Why a host could not be worked on, in one word that people count by and machines compare. Pure."""

from __future__ import annotations

import re

__all__ = ["REASONS", "in_words", "reason"]

REASONS = {
    "host_key_changed": "IDENTIFICATION HAS CHANGED|host key for .* has changed",
    "host_key_unknown": r"No \S+ host key is known|Host key verification failed",
    "auth": r"Permission denied \(|Too many authentication failures|Could not load host key|no such identity",
    "sudo": r"sudo: |Missing sudo password|Incorrect sudo password|not in the sudoers",
    "refused": "Connection refused",
    "timeout": "timed out|Timeout",
    "no_route": "No route to host|Network is unreachable|Could not resolve hostname",
    "session": "TargetNotConnected|SessionManagerPlugin|start-session",
    "lost": r"Connection (?:to \S+ )?(?:closed|reset)|Broken pipe|banner exchange|mux_client",
}
"""Word to the words of OpenSSH, sudo and AWS's command line by which it is known; the first that fits counts."""

_WORDS = {
    "host_key_changed": "it answers with another SSH host key than it said at launch",
    "host_key_unknown": "it has not said its SSH host key at launch",
}
"""In place of what ssh says at length, and to somebody who could accept the key."""


def reason(said: str) -> str:
    """The word for what ssh, sudo or Ansible said; ``failed`` for what has nothing to do with the way to the host."""
    return next((word for word, sign in REASONS.items() if re.search(sign, said, re.IGNORECASE)), "failed")


def in_words(said: str) -> str:
    """What was said, on one line."""
    return _WORDS.get(reason(said)) or " ".join(said.split())
