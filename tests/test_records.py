"""What a command wrote is replaced or removed and nothing else; a mixture is refused."""

from __future__ import annotations

import json

import pytest

from qsmstats.errors import InvalidDataError
from qsmstats.records import (
    note_file,
    removed,
    renewed,
    require_finished,
    require_one_source,
    source_of,
)


def write(folder, source, *names):
    with renewed(folder, names, source):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(source)


def names(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_files_of_ours_are_replaced_or_removed_and_those_of_the_user_stay(tmp_path):
    write(tmp_path, "first", "means.tsv", "cohort/flow.tsv")
    (tmp_path / "my notes.tsv").write_text("mine")
    note_file(tmp_path, "figure.svg")
    (tmp_path / "figure.svg").write_text("")
    write(tmp_path, "second", "means.tsv")
    assert names(tmp_path) == {"made_from.json", "means.tsv", "my notes.tsv"}
    assert (tmp_path / "means.tsv").read_text() == source_of(tmp_path) == "second"


def test_a_write_that_is_stopped_has_no_source_and_forgets_no_file(tmp_path):
    write(tmp_path, "first", "old.tsv")

    def stop():
        with renewed(tmp_path, ["new.tsv"], "second"):
            (tmp_path / "new.tsv").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert source_of(tmp_path) is None
    assert names(tmp_path) == {"made_from.json", "old.tsv", "new.tsv"}
    write(tmp_path, "third", "other.tsv")
    assert names(tmp_path) == {"made_from.json", "other.tsv"}


def test_what_a_kill_left_unfinished_is_swept(tmp_path):
    (tmp_path / ".0123.part").touch()
    (tmp_path / ".profile").touch()
    write(tmp_path, "first")
    assert names(tmp_path) == {"made_from.json", ".profile"}


def test_an_answer_is_removed_with_its_figures_and_its_folder_if_that_is_empty(tmp_path):
    for kept in ("", "my.txt"):
        folder = tmp_path / f"with {kept}" / "raters"
        write(folder, "first", "agreement.tsv")
        (folder / "agreement.svg").touch()
        note_file(folder.parent, "raters/agreement.svg")
        if kept:
            (folder / kept).touch()
        assert removed(folder)
        assert not removed(folder)
        assert folder.exists() == bool(kept)
        assert names(folder) == ({kept} if kept else set())


def test_a_figure_is_recorded_once_with_its_answer_or_with_the_output_folder(tmp_path):
    write(tmp_path, "first")
    write(tmp_path / "raters", "first")
    for _ in range(2):
        for name in ("raters/agreement.svg", "cohort/flow.svg"):
            note_file(tmp_path, name)
    files = [
        json.loads((folder / "made_from.json").read_text())["files"]
        for folder in (tmp_path, tmp_path / "raters")
    ]
    assert files == [["cohort/flow.svg"], ["agreement.svg"]]
    note_file(tmp_path / "raters" / "nowhere", "a.svg")
    assert not (tmp_path / "raters" / "nowhere").exists()


def test_a_record_that_names_files_elsewhere_removes_none_of_them(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (out / "link").symlink_to(tmp_path / "elsewhere")
    victims = [tmp_path / "a.tsv", tmp_path / "elsewhere" / "b.tsv"]
    for path in victims:
        path.touch()
    bad = ["../a.tsv", str(victims[0]), "link/b.tsv", "a\0b", 7]
    (out / "made_from.json").write_text(json.dumps({"source": "x", "files": bad}))
    write(out, "second", "means.tsv")
    assert all(path.exists() for path in victims)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"source": 3, "files": 4}', "\xff"])
def test_a_damaged_record_counts_as_unfinished(tmp_path, damage):
    (tmp_path / "made_from.json").write_text(damage, encoding="latin-1")
    assert source_of(tmp_path) is None
    with pytest.raises(InvalidDataError, match="a run was stopped"):
        require_finished(tmp_path)
    write(tmp_path, "first")
    require_finished(tmp_path)


def test_answers_that_belong_together_pass_and_others_name_the_command(tmp_path):
    require_one_source(tmp_path)
    write(tmp_path, "new", "tidy.tsv")
    write(tmp_path / "baseline", "new", "means.tsv")
    require_one_source(tmp_path)
    write(tmp_path / "planning", "old", "sizes.tsv")
    with pytest.raises(InvalidDataError, match=r"planning: .* `qsmstats plan STUDY OUT`"):
        require_one_source(tmp_path)
    removed(tmp_path / "planning")
    write(tmp_path / "trajectory", "old", "slopes.tsv")
    with pytest.raises(InvalidDataError, match=r"trajectory: .* `qsmstats run STUDY OUT group`"):
        require_one_source(tmp_path)
    removed(tmp_path / "trajectory")
    (tmp_path / "raters").mkdir()
    (tmp_path / "raters" / "agreement.tsv").touch()  # copied there by hand
    with pytest.raises(InvalidDataError, match="raters: contains tables that no command wrote"):
        require_one_source(tmp_path)
