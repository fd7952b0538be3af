"""What a response says of a job's result: which images are new, which are known, and which are the request's own."""

import json
import re
from collections.abc import Iterator
from typing import Any

from shared.error_codes import ErrorCode
from shared.job import Job
from shared.job_parts import Image, fitting
from shared.ports import RunResponse
from shared.wireflow.signed_urls import unsigned, without_query

_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_AFTER_A_URL = ".,;:!?'*`)]}"  # in a sentence or in Markdown


def result_images(job: Job, response: RunResponse) -> tuple[Image, ...]:
    """Return the images of this response, then earlier ones that it no longer lists; a stored image keeps its index.

    The URLs of the request itself are inputs, not results. An image is known by its URL without the signature, or, if
    the response no longer lists that URL, by its place. A known image that is not stored yet gets the newest URL,
    because it expires last.
    """
    own = {unsigned(url) for text in request_texts(job) for url in _addresses(text)}
    listed = {key: image for image in response.images if (key := unsigned(image.url)) not in own}
    known = {unsigned(image.source_url): image for image in job.images}
    unlisted = {image.place: key for key, image in known.items() if image.place and key not in listed}
    found: dict[str, Image] = {}
    for key, result in listed.items():
        known_key = key if key in known else unlisted.pop(result.place or "", key)
        image = known.get(known_key)
        found[known_key] = image if image and image.name else Image(index=0, source_url=result.url, place=result.place)
    if not any(image.name for image in job.images):
        earlier = [image for key, image in known.items() if key not in found]
        return fitting(_numbered([*found.values(), *earlier], 0), job.request_bytes)
    stored = [_numbered([found.get(key, image)], image.index)[0] for key, image in known.items()]
    new = [image for key, image in found.items() if key not in known]
    return fitting((*stored, *_numbered(new, stored[-1].index + 1)), job.request_bytes)


def _addresses(text: str) -> Iterator[str]:
    """Yield the text itself and every URL in it, with and without the punctuation that follows."""
    yield text.strip()
    for url in _URL.findall(text):
        yield from (url, url.rstrip(_AFTER_A_URL))


def _numbered(images: list[Image], start: int) -> tuple[Image, ...]:
    return tuple(image.evolve(index=index) for index, image in enumerate(images, start))


def without_twins(images: tuple[Image, ...]) -> tuple[Image, ...]:
    """Leave out what is stored already: an image whose URL differs from a stored one by its signature only.

    An expired image counts as such if its whole query differs, because no list of signature parameters is complete.
    """
    stored = {unsigned(image.source_url) for image in images if image.name}
    paths = {without_query(image.source_url) for image in images if image.name}

    def is_stored(image: Image) -> bool:
        expired = image.error is ErrorCode.IMAGE_EXPIRED
        return unsigned(image.source_url) in stored or (expired and without_query(image.source_url) in paths)

    return tuple(image for image in images if image.name or not is_stored(image))


def result_text(job: Job, response: RunResponse) -> str | None:
    """Return the last text that the run has produced and the request does not have."""
    own = {text.strip() for text in request_texts(job)}
    return next((text for text in reversed(response.texts) if text not in own), None)


def request_texts(job: Job) -> list[str]:
    """Return every text of the request."""
    own = [url for image in job.input_images for url in (image.source, image.hosted_url)]
    texts = [job.prompt, *own, *_texts(json.loads(job.input))]
    return [text for text in texts if text]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
