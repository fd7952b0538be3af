"""Placeholder images for an `<img>` whose image is not ready or has failed: PNG files, 96 pixels wide.

They are text because the deployed package contains only text files.
"""

import base64

# Three gray dots.
WAITING = base64.b64decode(
    b"iVBORw0KGgoAAAANSUhEUgAAAGAAAABgCAMAAADVRocKAAAACVBMVEXs7/GQpK7GKCgPJzAeAAAAXElEQVR4nO3UQQqAIBAFUL3/"
    b"pYNaRFbYkIMg7y0//hEXYykAAADAfHVQ/nL68DvvzL81onl3ftOI5h/mXxrRfN0Lan1uRPN5L1jggvQ9yN/k/L9o7wzKAQAAgNMG"
    b"knIBwEtEf7AAAAAASUVORK5CYII="
)

# A red cross. It is one pixel lower: pages that may not read responses, as embed.js on any origin, tell it by that.
FAILED = base64.b64decode(
    b"iVBORw0KGgoAAAANSUhEUgAAAGAAAABfAgMAAABq2irTAAAACVBMVEXs7/GQpK7GKCgPJzAeAAABEUlEQVR42u2UQY7EIAwEWz7xDI6rfaXf"
    b"s6/yM3yy9hACbUOkOY/CJVEqUJOhG+Ad75B06Qu0BNoCPc3/Xbd/aQa0KOa1F8UErSrqzLlmfSDVdS/REAnYLenwBPy+UVgCMSSyyfSSTMUE"
    b"QzIVEwzJVExwSeT4gZ0VCxgaKxbwax3bQAAqh30BFJ0UBAyNFAQcQgoCkbaeABSkYGAgBQMHKRgcIzwS1I+gpwjnXyUnIE/f0RBKEiGFG0n4"
    b"3zWvK9+JitN+tCsP/RBqpwinlBhFOBVHV4RT1YIinMrpqSeUdks9oZNDuSd0ZETqCR0yXspIoc5lrD3fahBPJ4OXJamc9Y2ng2yMn+0d2Raw"
    b"D7L5jq8c/4ycUA/2gUFHAAAAAElFTkSuQmCC"
)
