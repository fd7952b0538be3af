"""Workflows: their settings, the validation of fields before the paid call, and the body that is sent. Pure.

A workflow is a webhook, a saved workflow that is run by its inputs, or the graph of the guide, which is executed.
"""

from shared.workflows.fields import IMAGES, call_body, check_fields, public_workflow
from shared.workflows.models import MODELS, Model, ModelStatus
from shared.workflows.price import estimated_cost, highest_price
from shared.workflows.settings import parse_models, parse_workflows
from shared.workflows.workflow import DEFAULT, OVERRIDES, FieldRefused, Mode, NodeInput, Workflow

__all__ = [
    "DEFAULT",
    "IMAGES",
    "MODELS",
    "OVERRIDES",
    "FieldRefused",
    "Mode",
    "Model",
    "ModelStatus",
    "NodeInput",
    "Workflow",
    "call_body",
    "check_fields",
    "estimated_cost",
    "highest_price",
    "parse_models",
    "parse_workflows",
    "public_workflow",
]
