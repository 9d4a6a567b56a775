"""STAR files: RELION's grammar is read, RELION's layout is written, text survives, damage is named."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from subtomo.errors import InputError
from subtomo.io import star
from subtomo.io.star import (
    find_table,
    format_floats,
    format_int_vectors,
    format_ints,
    read_tables,
    write_tables,
)
from subtomo.model.table import Table

GENERAL = "\n# version 50001\n\ndata_general\n\n_rlnTomoSubTomosAre2DStacks                       0\n \n"
OPTICS = (
    "\n# version 50001\n\ndata_optics\n\nloop_ \n_rlnOpticsGroup #1 \n_rlnOpticsGroupName #2 \n_rlnVoltage #3 \n"
    "           1 opticsGroup1   300.000000 \n \n"
)
PARTICLES = (
    "\n# version 50001\n\ndata_particles\n\nloop_ \n_rlnTomoName #1 \n_rlnCenteredCoordinateXAngst #2 \n"
    "_rlnRandomSubset #3 \n_rlnTomoParticleName #4 \n_rlnImageName #5 \n"
    "     TS_01     7.488621            1    TS_01/1 out/Subtomograms/TS_01/1_data.mrc \n"
    "     TS_01   -113.90308            2    TS_01/2 out/Subtomograms/TS_01/2_data.mrc \n \n"
)
NUMBERS = {
    "rlnTomoSubTomosAre2DStacks",
    "rlnOpticsGroup",
    "rlnVoltage",
    "rlnCenteredCoordinateXAngst",
    "rlnRandomSubset",
}


def saved(folder: Path, text: str | bytes) -> Path:
    """Save text as a STAR file."""
    path = folder / "in.star"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def content(table: Table) -> dict[str, list[str]]:
    """Turn a table into plain lists."""
    return {label: table.text(label).tolist() for label in table.labels}


def loop(tmp_path: Path, rows: str, labels: str = "_a #1\n_b #2\n") -> dict[str, list[str]]:
    """Read a file with one loop of two columns."""
    return content(read_tables(saved(tmp_path, f"data_\n\nloop_\n{labels}{rows}"))[0])


def test_files_written_by_relion_come_out_byte_identical(tmp_path: Path) -> None:
    source = saved(tmp_path, GENERAL + OPTICS + PARTICLES)
    write_tables(tmp_path / "out.star", read_tables(source), number_labels=NUMBERS)
    assert (tmp_path / "out.star").read_bytes() == source.read_bytes()


def test_tables_keep_name_order_kind_and_source(tmp_path: Path) -> None:
    path = saved(tmp_path, "data_\n_x 1\ndata_TS_01/1\nloop_\n_a\n1\n\ndata_TS_01/1\n_a 2")
    tables = read_tables(path)
    assert [(t.name, t.is_list, content(t)) for t in tables] == [
        ("", True, {"x": ["1"]}),
        ("TS_01/1", False, {"a": ["1"]}),
        ("TS_01/1", True, {"a": ["2"]}),
    ]
    assert {t.source for t in tables} == {str(path)}
    assert find_table(tables, "TS_01/1") is tables[1]
    assert find_table(tables) is tables[0]
    assert find_table(tables, "none") is None


ODD = '001 1e-3 a#b [1,2] [] data_x _abc loop_ LOOP_x save_ stop_ global_ $x ;x é .. ? . a\'b a"b x;y {y} \\ $a" ~ ]'


@pytest.mark.parametrize("token", ODD.split())
@pytest.mark.parametrize("ending", ["\n", "", "\n \n", "  # why\n\n"])
def test_odd_tokens_stay_as_they_are(tmp_path: Path, token: str, ending: str) -> None:
    table = loop(tmp_path, f"1 {token}\n{token} 2\n {token}\t{token} {ending}")
    assert table == {"a": ["1", token, token], "b": [token, "2", token]}


def test_quoted_tokens_lose_their_quotes_and_keep_their_blanks(tmp_path: Path) -> None:
    rows = '"a b" \'c "d" e\'\n"" "it\'s"\n"a"b" \'#x\'\n'
    assert loop(tmp_path, rows) == {"a": ["a b", "", 'a"b'], "b": ['c "d" e', "it's", "#x"]}


def test_comments_and_blank_lines_are_skipped_where_relion_skips_them(tmp_path: Path) -> None:
    text = "# made by\n\n  \ndata_x\n# c\n\nloop_\n# c\n_a #1\n;c\n_b\n# c\n1 2 # c\n#c\n3 4\n \t\n# end\n\n"
    text += "data_y\n# c\n_c 5 #c\n"
    assert [content(t) for t in read_tables(saved(tmp_path, text))] == [
        {"a": ["1", "3"], "b": ["2", "4"]},
        {"c": ["5"]},
    ]


def test_a_loop_may_have_no_rows_and_a_table_nothing_at_all(tmp_path: Path) -> None:
    tables = read_tables(saved(tmp_path, "data_a\nloop_\n_x #1\n_y #2\n\ndata_b\n\ndata_c\nloop_\n_z"))
    assert [(t.name, t.labels, len(t)) for t in tables] == [("a", ("x", "y"), 0), ("b", (), 0), ("c", ("z",), 0)]


def test_rows_are_the_same_however_the_file_is_cut_into_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"{k} {'_' if k % 7 == 5 else ''}v{k}\n" for k in range(200))
    whole = loop(tmp_path, rows)
    monkeypatch.setattr(star, "_CHUNK_BYTES", 50)
    assert loop(tmp_path, rows) == whole
    with pytest.raises(InputError, match="line 206: found 3 values, expected 2"):
        loop(tmp_path, rows + "1 2 3\n")


HEAD = "data_t\nloop_\n_a #1\n_b #2\n"
DAMAGED: list[tuple[str | bytes, str]] = [
    (HEAD + "1 2\n1 2 3\n", "line 6: found 3 values, expected 2"),
    (HEAD + "1 2 3\n1\n", "line 5: found 3 values, expected 2"),
    (HEAD + "1 2\n1\n", "line 6: found 1 values, expected 2"),
    (HEAD + "1 'a b\n", 'line 5: the quote of "\'a" is never closed'),
    (HEAD + "1 2\n\n3 4\n", "line 7: found '3 4' outside any table; a table ends at the first blank line"),
    ("data_t\nloop_\n1 2\n", "line 2: found loop_ without any _label"),
    ("data_t\nloop_\n_a\n_a\n1 2\n", "line 4: found label a a second time"),
    ("data_t\nloop_\n_a x\n1\n", "line 3: found '_a x' among the labels"),
    ("data_t\n_a 1\n_b\n", "line 3: found '_b', expected a _label and one value"),
    ("data_t\n_a 1 2\n", "line 2: found '_a 1 2', expected"),
    ("data_t\n_a 1\nloop_\n", "line 3: found 'loop_', expected"),
    ("data_t\n1 2\n", "line 2: found '1 2' in table data_t"),
    ("hello\n", "line 1: found 'hello' outside any table"),
    ("", "no line starts with data_"),
    ("\n# nothing\n", "no line starts with data_"),
    ("data_t\r_a 1\r", "its lines end in CR only"),
    ("data_t\r\n_a 1\r\n_b 1\r1\n", "line 3: found a CR in the middle of a line"),
    ("data_t\n_a 1\n".encode("utf-16"), "is text in UTF-16"),
    (b"data_t\n_a 1\n_b \x00\n", "line 3: found byte 0x00"),
    (b"data_t\n_a \xff\n", "line 2: found text that is not UTF-8"),
    (bytes(range(256)), "found byte 0x00, so this is no text file"),
]


@pytest.mark.parametrize(("text", "message"), DAMAGED)
def test_damage_is_named_in_one_line_with_file_and_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = saved(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        read_tables(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.star: cannot be read.*No such file"):
        read_tables(tmp_path / "none.star")
    with pytest.raises(InputError, match="is a folder"):
        read_tables(tmp_path)


TOKENS = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\"'#;_ \t$[],"), max_size=8)


@given(st.lists(st.tuples(TOKENS, TOKENS), min_size=1, max_size=5), st.booleans())
def test_any_writable_text_survives_a_round_trip(rows: list[tuple[str, str]], is_list: bool) -> None:
    rows = rows[:1] if is_list else rows
    table = Table("t/1", {"a": np.array([a for a, _ in rows], "T"), "b": np.array([b for _, b in rows], "T")}, is_list)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.star"
        if any('" ' in text or '"\t' in text for pair in rows for text in pair) and any(
            "' " in text or "'\t" in text for pair in rows for text in pair
        ):
            return  # perhaps one text that no quote can hold; another test shows that it is refused
        write_tables(path, [table])
        (again,) = read_tables(path)
    assert (again.name, again.is_list, content(again)) == (table.name, table.is_list, content(table))


def test_texts_are_quoted_only_where_needed_and_empty_tables_left_out(tmp_path: Path) -> None:
    texts = ["", "a b", "'x", "plain", "#c", '"y']
    write_tables(tmp_path / "o.star", [Table("e", {"a": np.array([], "T")}), Table("t", {"a": np.array(texts, "T")})])
    body = '        "" \n     "a b" \n      "\'x" \n     plain \n      "#c" \n      ""y" \n \n'
    assert (tmp_path / "o.star").read_text() == "\n# version 50001\n\ndata_t\n\nloop_ \n_a #1 \n" + body


@pytest.mark.parametrize("bad", ["a\nb", "a\x00", "\" '\" ' x", "\udc80"])
def test_a_text_that_cannot_be_written_leaves_the_old_file_and_no_other(tmp_path: Path, bad: str) -> None:
    path = saved(tmp_path, GENERAL)
    with pytest.raises((InputError, UnicodeEncodeError)):
        write_tables(path, [Table("t", {"a": [bad]})])  # type: ignore[dict-item]
    assert path.read_text() == GENERAL
    assert [p.name for p in tmp_path.iterdir()] == ["in.star"]


def test_a_missing_output_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.o\.star"):
        write_tables(tmp_path / "none" / "o.star", [])


def test_doubles_are_formatted_and_cut_as_relion_does() -> None:
    values = [0, 7.488621, -113.903081, 0.00099, -0.00099, 0.001, 100000, 100000.5, -2e5, 1e123, -0.0, np.nan, np.inf]
    expected = "0.000000 7.488621 -113.90308 9.900000e-04 -9.90000e-04 0.001000 100000.00000 1.000005e+05 -2.00000e+05"
    assert format_floats(values).tolist() == [*expected.split(), "1.000000e+12", "-0.000000", "nan", "inf"]


def test_integers_and_vectors_are_formatted_as_relion_does() -> None:
    assert format_ints([0, -5, 1234567890123]).tolist() == ["0", "-5", "123456789012"]
    assert format_ints(np.array([True, False])).tolist() == ["1", "0"]
    assert format_int_vectors(np.array([[1, 0], [1, 1]])).tolist() == ["[1,0]", "[1,1]"]
    assert format_int_vectors([[], [3]]).tolist() == ["[]", "[3]"]


def numbers(*texts: str) -> Table:
    """Make a table of one column."""
    return Table("t", {"a": np.array(texts, "T")}, source="f.star")


def test_typed_views_give_numbers() -> None:
    assert numbers("001", "1e-3").floats("a").tolist() == [1, 0.001]
    assert np.isnan(numbers("nan").floats("a", allow_nonfinite=True)).all()
    assert numbers("3.000000", "4").ints("a").tolist() == [3, 4]
    assert numbers("1", "0", "1.000000").bools("a").tolist() == [True, False, True]
    assert [v.tolist() for v in numbers("[1,2.5]", "[]", "7").vectors("a")] == [[1, 2.5], [], [7]]


@pytest.mark.parametrize(
    ("view", "token"),
    [(Table.floats, t) for t in ("x", "1_0", "nan", "inf", "")]
    + [(Table.ints, t) for t in ("3.5", "x", "1_0", "nan", "1e300")]
    + [(Table.bools, t) for t in ("2", "true")]
    + [(Table.vectors, t) for t in ("[1,x]", "[nan]")],
)
def test_a_wrong_value_is_named_with_file_table_row_and_label(view: object, token: str) -> None:
    with pytest.raises(InputError) as caught:
        view(numbers("1", token), "a")  # type: ignore[operator]
    assert str(caught.value).startswith(f"f.star: table data_t, row 2: a is {token!r}, expected ")


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InputError, match=r"f.star: table data_t: no column b, c \(found: a\)"):
        numbers("1").require("a", "b", "c")


def test_edits_return_new_tables_that_share_the_other_columns() -> None:
    table = Table("t", {"a": np.array(["1", "2"], "T"), "b": np.array(["3", "4"], "T")})
    edited = table.with_column("a", ["x", "y"]).with_column("c", ["5", "6"])
    assert content(edited) == {"a": ["x", "y"], "b": ["3", "4"], "c": ["5", "6"]}
    assert edited.text("b") is table.text("b")
    assert table.without("a", "z").labels == ("b",)
    assert content(table.take([1, 0, 1]))["b"] == ["4", "3", "4"]
    assert len(table.take([])) == 0
    assert content(table.take(np.array([False, True])))["a"] == ["2"]
    assert table.renamed("u").name == "u"
    with pytest.raises(ValueError, match="differ in shape"):
        table.with_column("a", ["1"])
