"""The commands of a document, and what gcloud, terraform, and `python -m functions` would say about their flags.

gcloud ships its whole tree of commands and flags for completion; terraform prints its flags with `-help`. Neither is
given a credential, and no command is run.
"""

import importlib.util
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from functions.cli.commands import cli
from tests.terraform.mocked import ENTRY, ROOT

Tree = Mapping[str, Any]

_FENCED = re.compile(r"^```(?:sh|yaml)\n(.*?)^```", re.M | re.S)
_INLINE = re.compile(r"`((?:gcloud|terraform) [^`\n]+)`")
# A program followed by a word or a flag of it, wherever it is: in "$(…)", behind a pipe, or after xargs.
_PROGRAM = re.compile(r"(?<![\w./\"'=-])(?:gcloud|terraform)(?= +[a-z-])")
_FUNCTIONS = re.compile(r"\bpython -m functions (?=[a-z])")
_VARIABLE = re.compile(r"\bTF_VAR_(\w+)=")
_GROUPS = ("state", "workspace", "providers")


def documented(text: str) -> list[list[str]]:
    """The words of each command in the code of a Markdown text."""
    return [command for code in (*_FENCED.findall(text), *_INLINE.findall(text)) for command in in_script(code)]


def in_script(script: str) -> list[list[str]]:
    """The words of each command in a shell script, or in a file that has shell scripts in it."""
    lines = script.replace("\\\n", " ").splitlines()
    uncommented = (re.sub(r"(^|\s)#.*", "", line) for line in lines)
    return [list(_words(line[found.start() :])) for line in uncommented for found in _PROGRAM.finditer(line)]


def of_functions(text: str) -> list[list[str]]:
    """The words after `python -m functions` of each such command in a Markdown text."""
    codes = [*_FENCED.findall(text), *re.findall(r"`([^`\n]+)`", text)]
    lines = [line for code in codes for line in code.replace("\\\n", " ").splitlines()]
    return [list(_words(line[found.end() :])) for line in lines for found in _FUNCTIONS.finditer(line)]


def functions_faults(words: list[str]) -> list[str]:
    """What `python -m functions` does not know of a command: its name, an option, or the value of an option."""
    rest = ["0" * 32 if word == "JOB" else word for word in words]
    command: click.Command = cli
    while isinstance(command, click.Group):
        name = rest.pop(0) if rest else ""
        if name not in command.commands:
            return [f"no command {name}: {' '.join(words)}"]
        command = command.commands[name]
    with click.Context(command, info_name=command.name) as context:
        try:
            command.parse_args(context, rest)
        except click.UsageError as error:
            return [f"{error.format_message()}: {' '.join(words)}"]
    return []


def exported(text: str) -> set[str]:
    """The Terraform variables that a document sets in the environment."""
    return set(_VARIABLE.findall(text))


def _words(line: str) -> Iterator[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        for word in lexer:
            if set(word) <= set("();<>|&"):
                return
            yield word
    except ValueError:  # the closing quote of "$(…"
        return


@cache
def gcloud_tree() -> Tree | None:
    """gcloud's commands and flags, or None without gcloud."""
    program = shutil.which("gcloud")
    file = program and Path(program).resolve().parents[1] / "data/cli/gcloud_completions.py"
    if not file or not file.exists():
        return None
    spec = importlib.util.spec_from_file_location("gcloud_completions", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tree: Tree = module.STATIC_COMPLETION_CLI_TREE
    return tree


def gcloud_faults(words: list[str], tree: Tree) -> list[str]:
    """What gcloud does not know of a command: a word of its name, a flag, or one of the values that a flag can take."""
    node, rest = tree, words[1:]
    while rest and rest[0] in node["commands"]:
        node, rest = node["commands"][rest[0]], rest[1:]
    if node["commands"]:
        return [f"no command: {' '.join(words)}"]
    flags = tree["flags"] | node["flags"]
    return [fault for word in rest if word.startswith("--") for fault in _flag_faults(word, flags, words)]


def _flag_faults(word: str, flags: Mapping[str, Any], words: list[str]) -> list[str]:
    name, _, value = word.partition("=")
    kind = flags.get(name) or (flags.get(f"--{name[5:]}") == "bool" and "bool" if name.startswith("--no-") else None)
    if not kind:
        return [f"no flag {name}: {' '.join(words)}"]
    if isinstance(kind, list) and value not in kind:
        return [f"{name} cannot be {value}: {' '.join(words)}"]
    if (kind == "bool") == bool(value):  # a value is always written after "="
        return [f"{name} takes {'no' if kind == 'bool' else 'a'} value: {' '.join(words)}"]
    return []


@cache
def terraform_flags(command: str) -> frozenset[str] | None:
    """The flags of a terraform command, or None if there is no such command."""
    arguments = ["terraform", *command.split(), "-help"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    if f"] {command} " not in done.stdout:  # the usage; of a wrong word in a group, the group's
        return None
    flags = frozenset(re.findall(r"^\s+(-[a-z][\w-]*)", done.stdout, re.M)) | {"-help"}
    return flags | (terraform_flags("plan") or frozenset()) if command in {"apply", "destroy"} else flags


@cache
def declared(kind: str, folder: Path) -> frozenset[str]:
    """The names of the variables or outputs of a configuration."""
    files = folder.glob("*.tf")
    return frozenset(name for file in files for name in re.findall(rf'^{kind} "(\w+)"', file.read_text(), re.M))


def terraform_faults(words: list[str]) -> list[str]:
    """What terraform does not know of a command: its name, a flag, or a variable or output of the configuration."""
    folders = [ROOT / word.removeprefix("-chdir=") for word in words if word.startswith("-chdir=")]
    folder = folders[0] if folders and "$" not in str(folders[0]) else ENTRY
    rest = [word for word in words[1:] if not word.startswith("-chdir=")]
    length = 2 if rest[0] in _GROUPS else 1
    flags = terraform_flags(" ".join(rest[:length]))
    if flags is None or not folder.is_dir():
        return [f"no command or folder: {' '.join(words)}"]
    faults = [f"no flag {word}" for word in rest[length:] if word[0] == "-" and word.partition("=")[0] not in flags]
    given = {value.partition("=")[0] for flag, value in pairwise(rest) if flag == "-var"}
    faults += [f"no variable {name}" for name in given - declared("variable", folder)]
    if rest[0] == "output":
        faults += [
            f"no output {name}" for name in rest[1:] if name[0] != "-" and name not in declared("output", folder)
        ]
    return [f"{fault}: {' '.join(words)}" for fault in faults]
