"""Bodies of the paid calls, and pictures to begin with."""

import io
from typing import Any

from PIL import Image

NODES = {"prompt": "text-prompt", "image": "image-reference", "style": "text-style", "aspect": "select-aspect"}


def inputs(**values: object) -> dict[str, Any]:
    """The saved workflow's inputs by their short names; others as they are."""
    return {"inputs": {NODES.get(name, name): value for name, value in values.items()}}


def graph(prompt: object = "a cat", model: str = "nano_banana_pro", spelling: str = "params", **wanted: object) -> Any:
    """The graph of the guide's step 2; `wanted` goes into the node that generates."""
    text = {"nodeType": "input:text", "category": "input", spelling: {"prompt": prompt}}
    image = {"nodeType": f"generate:{model}", "category": "generate", spelling: wanted}
    return {
        "nodes": [
            {"id": "input-1", "type": "basedNode", "data": text},
            {"id": "gen-1", "type": "basedNode", "data": image},
        ],
        "edges": [
            {"source": "input-1", "target": "gen-1", "sourceHandle": "out-prompt", "targetHandle": "in-prompt"},
        ],
    }


def picture(colour: str = "red", size: tuple[int, int] = (64, 64), kind: str = "PNG") -> bytes:
    """A picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()
