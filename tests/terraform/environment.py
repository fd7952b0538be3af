"""What a function makes of the environment that Terraform gives it."""

import json

from shared import config
from shared.config import Config
from tests.terraform.mocked import Resource

SHA256 = "0123456789abcdef" * 4
SECRETS = {
    "WIREFLOW_WEBHOOK_ID": "hook",
    "WIREFLOW_API_KEY": "key",
    "WIREFLOW_WORKFLOWS": json.dumps(
        {name: {"mode": "webhook", "id": "1", "pricePerImage": 0.1} for name in ("default", "hook")}
    ),
    "TRIGGER_TOKENS": json.dumps({"zap": SHA256}),
    "TRIGGER_SIGNING_SECRETS": json.dumps({"shop": ["whsec_c2VjcmV0LXRoYXQtbm9ib2R5LW1heS1zZWUhISEh"]}),
    "CALLBACK_SIGNING_SECRETS": json.dumps({"*": ["whsec_c2VjcmV0LWZvci1ub3RpZmljYXRpb25zLW9ubHkhISEh"]}),
    "TRIGGER_SIGNING_SECRETS_SHA256": SHA256,
    "CALLBACK_SIGNING_SECRETS_SHA256": SHA256,
    "TURNSTILE_SECRET": "word",
}


def load(function: Resource) -> Config:
    """What the function makes of its environment."""
    secrets = {item["key"]: SECRETS[item["key"]] for item in function.service["secret_environment_variables"]}
    return config.load(function.service["environment_variables"] | secrets | {"K_SERVICE": function.values["name"]})
