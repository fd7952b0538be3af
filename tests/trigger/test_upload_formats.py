"""Files of rows as spreadsheets export them: encodings, delimiters, line ends, and media types."""

import pytest

from shared.problems import Problem
from tests.trigger.posting import BEARER, sent
from tests.trigger.uploads import URL, errors, file, parsed, rows

PROMPTS = ["Ein Fuchs, „schlau“", 'a "red" cat', "two\nlines"]
QUOTED = ['"Ein Fuchs, „schlau“"', '"a ""red"" cat"', '"two\nlines"']
SEMICOLONS = ["Ein Fuchs, „schlau“", '"a ""red"" cat"', '"two\nlines"']


async def prompts(content: bytes, content_type: str = "text/csv") -> list[str]:
    return [row.prompt for row in (await parsed(file(content, content_type=content_type))).batch.rows]


def table(cells: list[str], delimiter: str = ",", end: str = "\r\n", header: str = "Prompt") -> str:
    return end.join([delimiter.join([header, "Nr"]), *(f"{cell}{delimiter}7" for cell in cells)]) + end


FILES = {
    "Excel: CSV UTF-8": b"\xef\xbb\xbf" + table(QUOTED).encode(),
    "Excel with a decimal comma: CSV UTF-8": b"\xef\xbb\xbf" + table(SEMICOLONS, ";").encode(),
    "Excel with a decimal comma: CSV": table(SEMICOLONS, ";").encode("cp1252"),
    "Excel: CSV": table(QUOTED).encode("cp1252"),
    "Excel: Unicode text": b"\xff\xfe" + table(SEMICOLONS, "\t").encode("utf-16-le"),
    "Unicode text, big-endian": b"\xfe\xff" + table(SEMICOLONS, "\t").encode("utf-16-be"),
    "Unicode text whose mark is lost": table(SEMICOLONS, "\t").encode("utf-16-le"),
    "big-endian Unicode text whose mark is lost": table(SEMICOLONS, "\t").encode("utf-16-be"),
    "Numbers: CSV in UTF-8": table(QUOTED, end="\r\n").encode(),
    "Google Sheets: CSV": table(QUOTED).rstrip("\r\n").encode(),
    "Google Sheets: TSV": table([cell.replace("\n", " ") for cell in PROMPTS], "\t").encode(),
    "Macintosh line ends": table(QUOTED, end="\r").encode(),
    "Unix line ends": table(QUOTED, end="\n").encode(),
    "typed with spaces after commas": ("Nr, Prompt\n" + "".join(f"7, {cell}\n" for cell in QUOTED)).encode(),
    "a line sep=": b"sep=;\r\n" + table(SEMICOLONS, ";").encode(),
    "a line sep= of a delimiter that no header shows": b"sep=|\r\n" + table(SEMICOLONS, "|").encode(),
    "blank rows and columns at the end": table(QUOTED, end=",,,\r\n").encode() + b",,,,\r\n,,,,\r\n\r\n",
}


@pytest.mark.parametrize("name", FILES)
async def test_a_file_is_read_as_spreadsheets_write_it(name: str) -> None:
    found = await parsed(file(FILES[name]))
    lines = [prompt.replace("\n", " ") for prompt in PROMPTS] if "TSV" in name else PROMPTS
    assert rows(found) == dict(enumerate(lines, 2))
    assert [row.metadata for row in found.batch.rows] == [{"Nr": "7"}] * 3


async def test_a_header_in_another_script_does_not_hide_the_order_of_bytes() -> None:
    text = "番号\tプロンプト\tprompt\n一\t二\ta cat\n"
    assert await prompts(text.encode("utf-16-be")) == await prompts(text.encode("utf-16-le")) == ["a cat"]


@pytest.mark.parametrize(
    "content",
    [
        b"prompt,n\na cat,\x00\na dog,1\n",
        "\ufeffprompt\na cat".encode("utf-32-le"),
        b"prompt,n\n" + b"a,1\n" * 999 + b"\x00",
    ],
)
async def test_a_file_with_zero_bytes_is_no_text(content: bytes) -> None:
    assert await errors(file(content)) == [(1, None)]


async def test_the_end_of_a_file_of_ms_dos_is_no_row() -> None:
    assert await prompts(b"prompt\r\na cat\r\n\x1a") == ["a cat"]


@pytest.mark.parametrize("charset", ["windows-1252", "iso-8859-1", "unknown-to-everyone"])
async def test_a_declared_charset_counts_unless_there_is_a_mark(charset: str) -> None:
    assert await prompts("prompt\nFüchse".encode("cp1252"), f"text/csv; charset={charset}") == ["Füchse"]
    assert await prompts("\ufeffprompt\nFüchse".encode(), f"text/csv; charset={charset}") == ["Füchse"]


async def test_another_code_page_needs_its_declaration() -> None:
    cyrillic = "prompt\nлиса".encode("cp1251")
    assert await prompts(cyrillic, "text/csv; charset=windows-1251") == ["лиса"]
    assert await errors(file("prompt\nキツネ、犬".encode("shift_jis"))) == [(1, None)]


@pytest.mark.parametrize(
    "content_type",
    [
        *("text/csv", "application/csv", "text/tab-separated-values", "text/plain", "application/vnd.ms-excel"),
        "application/x-www-form-urlencoded",  # curl --data-binary @prompts.csv
        "application/octet-stream",
        "",
    ],
)
async def test_every_name_of_csv_is_accepted(content_type: str) -> None:
    assert await prompts(b"prompt\na cat", content_type) == ["a cat"]


async def test_a_form_holds_one_file_and_defaults() -> None:
    form = {"files": {"anything": ("p.csv", b"prompt\na cat", "application/vnd.ms-excel")}, "headers": BEARER}
    found = await parsed(sent(URL, data={"workflow": "pro", "deadlineSeconds": "60"}, **form))
    (row,) = found.batch.rows
    assert (row.prompt, row.workflow, row.deadline_seconds) == ("a cat", "pro", 60.0)
    alone = await parsed(file(b"prompt\na cat", f"{URL}?workflow=pro&deadlineSeconds=60"))
    assert alone.batch == found.batch


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}, "sends workbooks"),
        ({"Content-Type": "text/html"}, "Send CSV"),
        ({"Content-Type": "text/csv", "Content-Encoding": "gzip"}, "uncompressed"),
    ],
)
async def test_what_is_no_upload_is_rejected_with_what_to_send(headers: dict[str, str], words: str) -> None:
    with pytest.raises(Problem, match=words) as raised:
        await parsed(sent(URL, content=b"prompt\na cat", headers={**BEARER, **headers}))
    assert raised.value.code == "unsupported_media_type"


@pytest.mark.parametrize("content", [b"PK\x03\x04 and more", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
async def test_a_workbook_is_not_csv(content: bytes) -> None:
    with pytest.raises(Problem, match="workbook") as raised:
        await parsed(file(content, content_type="application/vnd.ms-excel"))
    assert raised.value.code == "unsupported_media_type"


async def test_a_column_alone_needs_no_quotes_for_commas() -> None:
    assert await prompts(b'prompt\na cat, asleep\n"a dog; awake"\n') == ["a cat, asleep", "a dog; awake"]


async def test_the_delimiter_is_the_one_that_finds_the_prompt() -> None:
    assert await prompts(b"Note, long, longer;Prompt\nx;a cat\n") == ["a cat"]


async def test_a_prompt_may_span_lines_and_rows_are_counted_as_a_spreadsheet_does() -> None:
    content = b'\n\nprompt,n\n"a\ncat",1\n\n,,\na dog,2\n'
    assert rows(await parsed(file(content))) == {4: "a\ncat", 7: "a dog"}


async def test_blank_rows_before_the_header_count() -> None:
    assert rows(await parsed(file(b"\r\n,,\r\nprompt,n\r\n\r\na cat,1"))) == {5: "a cat"}
    assert await errors(file(b"\n\nprompt,workflow\na cat,pro\n,pro")) == [(5, "prompt")]
