"""Placeholder images for an `<img>` whose image is not ready or has failed: two PNG files of 96 by 96 pixels.

They are text because the deployed package contains only text files.
"""

import base64

# Three gray dots.
WAITING = base64.b64decode(
    b"iVBORw0KGgoAAAANSUhEUgAAAGAAAABgCAMAAADVRocKAAAACVBMVEXs7/GQpK7GKCgPJzAeAAAAXElEQVR4nO3UQQqAIBAFUL3/"
    b"pYNaRFbYkIMg7y0//hEXYykAAADAfHVQ/nL68DvvzL81onl3ftOI5h/mXxrRfN0Lan1uRPN5L1jggvQ9yN/k/L9o7wzKAQAAgNMG"
    b"knIBwEtEf7AAAAAASUVORK5CYII="
)

# A red cross.
FAILED = base64.b64decode(
    b"iVBORw0KGgoAAAANSUhEUgAAAGAAAABgCAMAAADVRocKAAAACVBMVEXs7/GQpK7GKCgPJzAeAAAA5klEQVR4nO2XSQ7DMAwDA/3/"
    b"0T3WiTfF4vRQkOfOUECTWL4ux3Ecx3H+KQEjcVLwgomzgjQUpwVJKs4LUlhUChJc1Aq2YFQLNmTUC5ZowZ+CS/4EXvRvBWX/RiHw"
    b"LyUS/0Ij8k9FMv9EJfQPZVL/QCf2d0K5/6EE/Dcp4m+0kL9vUPufDXr/vYHwtw2MHy/45V/AP0T8a4C9yPyniP+Y8scBf6DxRzK/"
    b"VPBrEb/Y8aspv1zz1wP+gsNf0WoNObTQkASrBbJBJqBykhEnHqXD9LPcKWSYBnr1Y2qb/DbQBY7jOI7j1PIBrgAGTVOD/9QAAAAA"
    b"SUVORK5CYII="
)
