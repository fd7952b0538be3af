"""The names of image files: words of the prompt, unless only the caller may read the job."""

from datetime import UTC, datetime
from urllib.parse import unquote

import pytest

from shared.file_names import content_disposition
from shared.job import Job
from shared.job_states import Status

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB_ID = "26bee1" + "0" * 26


def named(prompt: str, *, private: bool = False, file: str = "0.png", download: bool = False) -> tuple[str, str]:
    """Return the ASCII name with its kind, and the name in UTF-8."""
    job = Job(
        id=JOB_ID,
        status=Status.SUCCEEDED,
        prompt=prompt,
        created_at=NOON,
        expire_at=NOON,
        give_up_at=NOON,
        private=private,
    )
    header = content_disposition(JOB_ID, job, f"jobs/{JOB_ID}/1/{file}", download=download)
    assert header.isascii()
    assert header.isprintable()
    plain, full = header.split("; filename*=UTF-8''")
    return plain, unquote(full)


@pytest.mark.parametrize(
    ("prompt", "plain", "full"),
    [
        ("A red fox in the snow", "a-red-fox-in-the-snow", None),
        ("  “Crème brûlée”, 50%! ", "creme-brulee-50", "crème-brûlée-50"),
        ("雪の中の赤い狐", "image", "雪の中の赤い狐"),
        ("🦊", "image", None),
        ('x"; filename="evil.exe\r\nSet-Cookie: a', "x-filename-evil-exe-set-cookie-a", None),
        ("../../etc/passwd", "etc-passwd", None),
        (
            "one two three four five six seven eight nine ten eleven twelve",
            "one-two-three-four-five-six-seven-eight-nine-ten-eleven",
            None,
        ),
        ("x" * 80, "x" * 60, None),
    ],
)
def test_the_name_is_made_of_the_words_of_the_prompt(prompt: str, plain: str, full: str | None) -> None:
    assert named(prompt) == (f'inline; filename="{plain}-26bee1.png"', f"{full or plain}-26bee1.png")


def test_the_name_of_a_private_image_says_nothing_about_the_prompt() -> None:
    assert named("A red fox", private=True) == ('inline; filename="image-26bee1.png"', "image-26bee1.png")
    assert content_disposition(JOB_ID, None, f"jobs/{JOB_ID}/2/0.jpg").startswith('inline; filename="image-26bee1.jpg"')


def test_the_images_of_a_job_have_different_names() -> None:
    assert named("A fox", file="1.webp")[1] == "a-fox-2-26bee1.webp"


def test_a_download_is_an_attachment() -> None:
    assert named("A fox", download=True)[0] == 'attachment; filename="a-fox-26bee1.png"'
