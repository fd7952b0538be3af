"""Bodies of the paid calls, and input images."""

import io
from typing import Any

from PIL import Image

NODES = {"prompt": "text-prompt", "image": "image-reference", "style": "text-style", "aspect": "select-aspect"}


def inputs(**values: object) -> dict[str, Any]:
    """The inputs of the saved workflow by short names; unknown names stay as they are."""
    return {"inputs": {NODES.get(name, name): value for name, value in values.items()}}


def graph(prompt: object = "a cat", model: str = "nano_banana_pro", spelling: str = "params", **wanted: object) -> Any:
    """The graph of step 2 of the guide; `wanted` goes into the node that generates."""
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


def image_file(color: str = "red", size: tuple[int, int] = (64, 64), image_format: str = "PNG") -> bytes:
    """An image file of one color."""
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, image_format)
    return file.getvalue()
