"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartermaster.fleet.files import replacing


def test_of_two_writers_at_once_the_last_counts(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    with replacing(file) as one, replacing(file) as other:
        one.write_text("one", encoding="utf-8")
        other.write_text("other", encoding="utf-8")
        assert not file.exists()
    assert file.read_text(encoding="utf-8") == "one"
    assert list(tmp_path.iterdir()) == [file]


def test_what_fails_half_way_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text("old", encoding="utf-8")
    with pytest.raises(OSError, match="no room"), replacing(file) as draft:
        draft.write_text("ne", encoding="utf-8")
        raise OSError("no room")
    assert file.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [file]
