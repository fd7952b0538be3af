"""Uploads of rows: what columns mean, how an invalid row is reported, rows in JSON, and who may send them."""

import json
from typing import Any

import pytest

from functions.trigger.auth.caller import Caller, CallerKind
from shared.problems import Problem
from tests.trigger.posting import BEARER, BROWSER, TOKEN, sent
from tests.trigger.uploads import URL, errors, file, parsed, rows

OPEN = Caller(CallerKind.OPEN)


async def pro_fields(workflow: str) -> list[str]:
    return ["prompt", "image1", "Brand color"] if workflow == "pro" else []


# --- columns -------------------------------------------------------------------------------------------------------


async def test_names_of_columns_ignore_case_spaces_and_punctuation() -> None:
    header = "PROMPT,Work Flow,alt text,Deadline seconds,ALLOW-PARTIAL,Aspect Ratio,Order No.,Größe,metadata.sku"
    (row,) = (await parsed(file(f"{header}\na cat,pro,A cat,60,TRUE,16:9,4711,XL,s-1".encode()))).batch.rows
    assert (row.workflow, row.alt_text, row.deadline_seconds, row.allow_partial) == ("pro", "A cat", 60.0, True)
    assert json.loads(row.input) == {"aspect_ratio": "16:9"}
    assert row.metadata == {"Order_No.": "4711", "Grosse": "XL", "sku": "s-1"}


async def test_columns_are_ours_with_underscores_and_hyphens_too() -> None:
    header = "prompt,callback_url,from-image,FROM_JOB,deadline__seconds"
    cells = f"a cat,https://shop.example/hook,1,{'0' * 32},60"
    (row,) = (await parsed(file(f"{header}\n{cells}".encode()))).batch.rows
    assert (row.from_image, row.from_job, row.deadline_seconds, row.input) == (1, "0" * 32, 60.0, "{}")
    assert row.callback_urls == ["https://shop.example/hook"]
    assert await errors(file(b"prompt,dry_run\na cat,true")) == [(2, "dryRun")]


async def test_a_misspelled_field_beside_the_rows_or_in_a_row_of_json_is_rejected() -> None:
    form = {"files": {"file": ("p.csv", b"prompt\na cat", "text/csv")}, "data": {"dry_run": "true"}}
    assert await errors(sent(URL, headers=BEARER, **form)) == [(2, "dry_run")]
    for body in ({"prompts": ["a cat"], "dry_run": True}, [{"prompt": "a cat", "dry_run": True}]):
        assert await errors(sent(URL, json=body, headers=BEARER)) == [(2, "dry_run")]
    with pytest.raises(Problem, match="Did you mean dryRun"):
        await parsed(file(b"prompt\na cat", f"{URL}?dry_run=true"))


async def test_the_inputs_of_a_workflow_are_columns_of_its_rows_only() -> None:
    content = b"prompt,workflow,brand color\na cat,pro,red\na dog,,blue"
    first, second = (await parsed(file(content), fields=pro_fields)).batch.rows
    assert (json.loads(first.input), first.metadata) == ({"Brand color": "red"}, {})
    assert (json.loads(second.input), second.metadata) == ({}, {"brand_color": "blue"})


async def test_a_website_or_a_name_in_another_script_is_the_callers_own() -> None:
    (row,) = (await parsed(file("prompt,Website,番号\na cat,https://a.example,7".encode()))).batch.rows
    assert row.metadata == {"Website": "https://a.example", "column_3": "7"}


async def test_an_empty_cell_is_not_sent_and_the_query_has_defaults() -> None:
    content = b"prompt,workflow,n\na cat,,\na dog,saved,1"
    first, second = (await parsed(file(content, f"{URL}?workflow=pro"))).batch.rows
    assert (first.workflow, second.workflow, first.metadata) == ("pro", "saved", {})


# --- results.csv ---------------------------------------------------------------------------------------------------

RESULTS = (
    "row,status,prompt,imageUrl,imageUrls,errorCode,errorMessage,errorHint,cost,jobId,workflow,SKU,metadata.status,file\n"
    "2,failed,'=a cat,,,moderation,Why,What to do,0.2,26bee1,pro,'-7,own,0002-a-cat.png\n"
)


@pytest.mark.parametrize("content", [RESULTS, RESULTS.replace(",imageUrl,imageUrls", "").replace("cat,,,", "cat,")])
async def test_results_are_sent_again_without_what_the_rows_received(content: str) -> None:
    (row,) = (await parsed(file(content.encode()))).batch.rows
    assert (row.prompt, row.workflow) == ("=a cat", "pro")
    assert row.metadata == {"SKU": "-7", "status": "own"}


async def test_a_table_with_some_of_the_names_of_results_is_the_callers_own() -> None:
    (row,) = (await parsed(file(b"prompt,status,file\n'=a cat,new,a.png"))).batch.rows
    assert (row.prompt, row.metadata) == ("'=a cat", {"status": "new", "file": "a.png"})


# --- invalid rows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("prompt,n\na cat,1\n ,2\na dog,3\n,4", [(3, "prompt"), (5, "prompt")]),
        ("prompt,deadlineSeconds\na cat,0\na dog,soon", [(2, "deadlineSeconds"), (3, "deadlineSeconds")]),
        ("prompt,n\na cat, asleep,1", [(2, None)]),
        ("prompt,,n\na cat,x,1", [(2, None)]),
        ("prompt,token\na cat,secret", [(2, "token")]),
        ("prompt,idempotencyKey\na cat,x", [(2, "idempotencyKey")]),
        ("prompt,image1\na cat,http://10.0.0.1/a.png", [(2, "image1")]),
        (f"prompt\n{'x' * 4001}", [(2, "prompt")]),
        ("", [(1, None)]),
        ("prompt\n", [(2, None)]),
        ("a cat\na dog", [(1, None)]),
        ("Title,Prompts\na,b", [(1, None)]),
        ("prompt,Prompt\na,b", [(1, None)]),
        ("prompt,Order No,Order_No\na,b,c", [(1, None)]),
        ("prompt,Aspect Ratio,aspect_ratio\na,1:1,16:9", [(1, None)]),
        ("prompt,n\na cat,#REF!\n#REF!,1\n#N/A,2\n#hashtags,3", [(3, "prompt"), (4, "prompt")]),
        (",".join(["prompt", *map(str, range(21))]) + "\na" + ",x" * 20 + "\na" + ",x" * 21, [(3, "metadata")]),
        ('prompt,n\n"a cat,1\na dog,2', [(2, None)]),
        ('prompt,n\na cat,1\n"a" dog,2', [(3, None)]),
        ("prompt,n\n" + "x" * 140_000 + ",1", [(2, None)]),
        (",".join(["prompt", *map(str, range(100))]), [(1, None)]),
        ("prompt\n" + "a cat\n" * 1001, [(1002, None)]),
    ],
)
async def test_an_invalid_row_is_reported_by_number(content: str, expected: list[tuple[int, str | None]]) -> None:
    assert await errors(file(content.encode())) == expected


async def test_the_first_error_is_in_the_detail_and_nothing_is_stored() -> None:
    with pytest.raises(Problem) as raised:
        await parsed(file(b"prompt,n\na cat,1\n,2\n,3"))
    document = raised.value.document()
    assert document["errors"][0] == {"row": 3, "field": "prompt", "detail": document["errors"][0]["detail"]}
    assert document["detail"].startswith(
        "2 of 3 rows cannot be accepted; nothing was stored. Row 3: The prompt is missing"
    )


async def test_the_detail_names_the_field_of_the_first_error() -> None:
    async def refuse(*_arguments: Any) -> None:
        raise Problem.wrong("Must be one of 1:1, 16:9.", "aspect_ratio")

    with pytest.raises(Problem, match=r"Row 2: aspect_ratio: Must be one of 1:1, 16:9\."):
        await parsed(file(b"prompt,aspect_ratio\na cat,17:9"), check=refuse)


async def test_partial_leaves_invalid_rows_out_unless_none_is_left() -> None:
    found = await parsed(file(b"prompt,n\na cat,1\n,2\na dog,3", f"{URL}?partial=true"))
    assert (rows(found), [error.row for error in found.errors], found.total) == ({2: "a cat", 4: "a dog"}, [3], 3)
    assert await errors(file(b"prompt,n\n,2", f"{URL}?partial=true")) == [(2, "prompt")]


async def test_a_thousand_rows_are_accepted() -> None:
    found = await parsed(file(b"prompt\n" + b"a cat\n" * 1000 + b"\n" * 1000))
    assert [*rows(found)] == [*range(2, 1002)]


# --- JSON ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{"prompts": ["a cat", {"prompt": "a dog"}]}, ["a cat", {"prompt": "a dog"}]])
async def test_rows_may_be_json(body: Any) -> None:
    found = await parsed(sent(URL, json=body, headers=BEARER))
    assert rows(found) == {2: "a cat", 3: "a dog"}


async def test_fields_beside_json_rows_are_defaults_and_a_row_keeps_its_unknown_fields() -> None:
    body = {"prompts": [{"prompt": "a cat", "style": "oil"}], "workflow": "pro", "token": "secret"}
    (row,) = (await parsed(sent(URL, json=body, headers=BEARER))).batch.rows
    assert (row.workflow, json.loads(row.input)) == ("pro", {"style": "oil"})


@pytest.mark.parametrize("body", [{"prompts": ["a cat", 7, {"prompt": ""}, {"prompt": "a", "dryRun": True}]}])
async def test_an_invalid_element_has_the_number_of_its_row(body: Any) -> None:
    assert await errors(sent(URL, json=body, headers=BEARER)) == [(3, None), (4, "prompt"), (5, "dryRun")]


@pytest.mark.parametrize("body", [{"prompts": []}, {}, {"prompts": "a cat"}, {"prompts": ["a cat"] * 1001}])
async def test_json_without_rows_or_with_too_many_is_rejected(body: Any) -> None:
    with pytest.raises(Problem) as raised:
        await parsed(sent(URL, json=body, headers=BEARER))
    assert (raised.value.code, raised.value.field) == ("invalid_field", "prompts")


# --- keys and callers ----------------------------------------------------------------------------------------------


async def test_the_same_file_has_the_same_key_and_each_row_its_own() -> None:
    first, again = [await parsed(file(b"prompt\na cat\na dog")) for _ in range(2)]
    other = await parsed(file(b"prompt\na cat\na dog\n"))
    defaults = await parsed(file(b"prompt\na cat\na dog", f"{URL}?workflow=pro"))
    named = await parsed(file(b"prompt\na cat\na dog", **{"Idempotency-Key": "x"}))
    assert first.batch == again.batch
    assert len({upload.batch.key for upload in (first, other, defaults, named)}) == 4
    assert [row.key and row.key.index for row in first.batch.rows] == [2, 3]
    assert first.batch.fingerprint == other.batch.fingerprint == named.batch.fingerprint != defaults.batch.fingerprint


async def test_a_visitor_of_a_page_cannot_upload_and_others_can() -> None:
    with pytest.raises(Problem) as raised:
        await parsed(file(b"prompt\na cat"), BROWSER)
    assert raised.value.code == "forbidden"
    assert len((await parsed(file(b"prompt\na cat"), OPEN)).batch.rows) == 1


async def test_an_upload_may_have_4_mib_and_a_page_sends_less() -> None:
    row = b"x" * 3_900 + b"\n"
    assert len((await parsed(file(b"prompt\n" + row * 1_000))).batch.rows) == 1_000
    for content, caller, headers in ((b"x" * (4 * 1024 * 1024), TOKEN, BEARER), (row * 150, BROWSER, {})):
        with pytest.raises(Problem) as raised:
            await parsed(
                sent(URL, content=b"prompt\n" + content, headers={"Content-Type": "text/csv", **headers}), caller
            )
        assert raised.value.code == "body_too_large"


async def test_an_event_is_no_upload() -> None:
    with pytest.raises(Problem) as raised:
        await parsed(sent(URL, json={}, headers={"ce-id": "1", **BEARER}))
    assert raised.value.code == "unsupported_media_type"


@pytest.mark.parametrize("name", ["image", "Image", " IMAGE "])
async def test_a_column_image_is_not_metadata(name: str) -> None:
    content = f"prompt,{name}\na cat,https://a.example/b.png".encode()
    with pytest.raises(Problem, match=f"no column {name.strip()}. Did you mean image1"):
        await parsed(file(content))

    async def declares(_workflow: str) -> list[str]:
        return ["image"]

    (row,) = (await parsed(file(content), fields=declares)).batch.rows
    assert (row.metadata, json.loads(row.input)) == ({}, {"image": "https://a.example/b.png"})
