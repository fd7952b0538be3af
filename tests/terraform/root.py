"""The thin root: `python -m tests.terraform.root` writes it from the variables and outputs of the module.

Validations are in the module alone.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2] / "terraform"
MODULE = ROOT / "modules/images"
HEADER = "# Written by `python -m tests.terraform.root` from modules/images: change it there.\n\n"
# Inside a block of the outermost level, with the comment above it. `terraform fmt` holds the form that this relies on.
_VALIDATION = re.compile(r"\n?(?:  #[^\n]*\n)*  validation \{\n.*?\n  \}\n", re.S)


def blocks(kind: str) -> dict[str, str]:
    """Name → text inside each block of a kind, `variable` or `output`, of the module; in the order of its files."""
    pattern = rf'^{kind} "(\w+)" \{{\n(.*?)^\}}'
    files = sorted(MODULE.glob("*.tf"), key=lambda file: (file.name != "variables.tf", file.name))
    return {name: text for file in files for name, text in re.findall(pattern, file.read_text(), re.M | re.S)}


def variables() -> str:
    """The variables without their validations."""
    declared = (f'variable "{name}" {{\n{_VALIDATION.sub("", text)}}}\n' for name, text in blocks("variable").items())
    return HEADER + "\n".join(declared)


def main() -> str:
    """The call of the module with every variable."""
    names = list(blocks("variable"))
    width = max(map(len, names))
    arguments = "\n".join(f"  {name:{width}} = var.{name}" for name in names)
    providers = "  providers = {\n    google         = google\n    google.counted = google.counted\n  }\n"
    return f'{HEADER}module "images" {{\n  source = "./modules/images"\n\n{providers}\n{arguments}\n}}\n'


def outputs() -> str:
    """The outputs of the module."""
    text = {name: re.findall(r"^  description .*\n", inside, re.M)[0] for name, inside in blocks("output").items()}
    passed = (f'output "{name}" {{\n{about}  value       = module.images.{name}\n}}\n' for name, about in text.items())
    return HEADER + "\n".join(passed)


def variables_table() -> str:
    """The variables as terraform-docs writes them, without anchors and escapes."""
    rows = ["| Name | Description | Type | Default | Required |", "|------|-------------|------|---------|:--------:|"]
    for name, text in sorted(blocks("variable").items()):
        found = dict(re.findall(r"^  (description|type|default) += (.*?)(?: # .*)?$", text, re.M))
        about = json.loads(found["description"]).replace("|", "\\|")
        default, required = (f"`{found['default']}`", "no") if "default" in found else ("n/a", "yes")
        rows.append(f"| {name} | {about} | `{found['type']}` | {default} | {required} |")
    return "\n".join(rows)


def outputs_table() -> str:
    """The outputs, likewise."""
    rows = ["| Name | Description |", "|------|-------------|"]
    for name, text in sorted(blocks("output").items()):
        (about,) = re.findall(r"^  description += (.*)$", text, re.M)
        rows.append(f"| {name} | {json.loads(about)} |")
    return "\n".join(rows)


def files() -> Mapping[Path, str]:
    """Each written file and its text."""
    return {ROOT / "variables.tf": variables(), ROOT / "main.tf": main(), ROOT / "outputs.tf": outputs()}


if __name__ == "__main__":
    for path, content in files().items():
        path.write_text(content)
