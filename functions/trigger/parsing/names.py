"""The names of fields that are ours. Every other name goes to Wireflow as it came."""

# Ours, and not built yet: refused by name, so that nothing is silently ignored or sent to Wireflow.
RESERVED = ("callbackUrl", "altText", "then", "metadata")

OURS = frozenset(
    {
        *("prompt", "prompts", "workflow", "image1", "fromJob", "fromImage", "redirectUrl", "allowPartial"),
        *("deadlineSeconds", "idempotencyKey", "dedupeField", "token", "formToken", "website", "cf-turnstile-response"),
        *RESERVED,
    }
)

# Of the envelope, not of the image: two requests that differ only in these are the same request.
NOT_COMPARED = frozenset({"token", "formToken", "website", "cf-turnstile-response", "idempotencyKey"})
