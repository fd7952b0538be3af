"""Workflows by name: what a request may say for each, checked before anything is paid for, and what Wireflow is sent.

Pure. A workflow is one of three: a webhook, a saved workflow that is run by its inputs, or the guide's graph, executed.
"""

from shared.workflows.fields import call_body, check_fields, public_workflow
from shared.workflows.settings import parse_models, parse_workflows
from shared.workflows.workflow import DEFAULT, FieldRefused, Mode, NodeInput, Workflow

__all__ = [
    "DEFAULT",
    "FieldRefused",
    "Mode",
    "NodeInput",
    "Workflow",
    "call_body",
    "check_fields",
    "parse_models",
    "parse_workflows",
    "public_workflow",
]
