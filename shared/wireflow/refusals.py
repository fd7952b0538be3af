"""Whether the error of a run is a refusal by the model's provider (moderation). Pure.

Published wordings: https://docs.fal.ai/model-apis/errors, https://ai.google.dev/api/generate-content#FinishReason,
https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter, https://docs.bfl.ai/api-reference.
"""

import re
from collections.abc import Iterable

QUOTE_WORDS = 5  # of the prompt in a row count as a quotation

# Codes are compared without their separators: `content_policy_violation`, `IMAGE_SAFETY`, `DataInspectionFailed`.
_CODE_OF_REFUSAL = re.compile(
    r"contentpolicy|policyviolation|moderat|contentfilter|contentchecker|sensitive|recitation|safety|prohibited|nsfw"
    r"|blocklist|spii|datainspection|unsafe|responsibleai|jailbreak|modelarmor|riskcontrol|riskdetection|flagged"
    r"|(?:forbidden|banned)(?:content|prompt|word)|(?:content|prompt|input|output)blocked"
)
_TRANSIENT_CODE = re.compile(
    r"timeout|timedout|deadline|ratelimit|toomanyrequests|overload|unavailable|internal|exhausted|serviceerror|quota"
)
_TRANSIENT = re.compile(
    r"\btim(?:ed|e)[ -]?out|deadline exceeded|rate.?limit|too many requests|overloaded|resource.?exhausted"
    r"|(?:temporarily|service|currently|server) (?:is )?unavailable|\bunavailable: |bad gateway"
    r"|connection (?:was )?(?:reset|refused|closed|aborted)|socket hang ?up|\bE(?:CONN\w+|TIMEDOUT|AI_AGAIN)\b"
    r"|internal (?:server )?error|quota exceeded|(?:high|peak) (?:load|demand|traffic)|(?:at|insufficient) capacity"
    r"|(?:http|status|code)[ :]*(?:code[ :]*)?(?:408|429|5\d\d)\b"
    r"|failed to (?:load|start|respond|connect|initiali[sz]e)|can(?:not|'t| not) be (?:loaded|reached)",
    re.IGNORECASE,
)
_RULES = r"(?:polic(?:y|ies)|guidelines?|standards|terms|rules|safety)"
_BLOCKED = r"(?:block(?:ed|s|ing)|reject(?:ed|s|ing|ion)|refus(?:ed|es|al)|filtered|flagged|den(?:ied|ies)|not allowed)"
_BAD = r"(?:sensitive|inappropriate|harmful|offensive|unsafe|forbidden|banned|disallowed|prohibited)"
_MATTER = r"(?:words?|terms?|keywords?|content|material|information|prompts?|generation|inputs?|outputs?|use)"
_REFUSAL = re.compile(
    r"\bmoderat(?:ion|ed|or)|content[ _.-]?(?:policy|policies|filter|checker|guidelines|safety|security)"
    rf"|violat\w*\b.{{0,80}}\b{_RULES}|{_RULES}\b.{{0,40}}\bviolat"
    r"|\bflagged (?:by|for)\b|risk control|model armor|jailbreak"
    r"|safety[ _.-](?:system|filter|checker|polic|setting|guideline|check|reason|concern|violation|input|output)"
    rf"|{_BLOCKED}\b.{{0,60}}\bsafety\b|\bsafety\b.{{0,40}}\b{_BLOCKED}"
    rf"|(?<![a-z]){_BAD}[ _](?:\w+ )?{_MATTER}|\b(?:flagged|detected|deemed|considered|be|is|new)[ _](?:as )?"
    r"(?:potentially )?(?:sensitive|harmful|offensive|unsafe)\b|\bunsafe image"
    r"|\bnsfw\b|inappropriate|sexually explicit|explicit (?:content|material)"
    r"|\b(?:content|prompt|generation|output)\b[^.,;:]{0,40}\b(?:blocked|filtered|flagged)\b"
    r"|(?:blocked|filtered|flagged) (?:content|prompt)\b"
    r"|responsible ai|image_safety|image_recitation|\brecitation\b|third[- ]party content|copyright"
    r"|derivative works|\blikeness|celebrit(?:y|ies)|public figures?|real people",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'|“([^”]*)”|`([^`]*)`")


def is_refusal(error: str | None, codes: Iterable[str], prompts: Iterable[str]) -> bool:
    """Whether the provider refused the request: by a code of its own, else by the words of its error.

    Transient errors win. `prompts`: texts of the request, which an error may quote and which decide nothing.
    """
    compact = [re.sub(r"[^a-z]", "", code.lower()) for code in codes]
    if any(map(_TRANSIENT_CODE.search, compact)):
        return False
    if any(map(_CODE_OF_REFUSAL.search, compact)):
        return True
    words = _without_quotations(error or "", list(prompts))
    return not _TRANSIENT.search(words) and bool(_REFUSAL.search(words))


def _without_quotations(error: str, prompts: list[str]) -> str:
    """Return the error without runs of five or more words of a prompt, and without a whole prompt in quotes."""
    whole = {prompt.strip().casefold() for prompt in prompts}

    def replace(match: re.Match[str]) -> str:
        inner = next((group for group in match.groups() if group is not None), "")
        return "" if inner.strip().casefold() in whole else match[0]

    error = _QUOTED.sub(replace, error)
    runs = {run for prompt in prompts for run in _runs(_WORD.findall(prompt))}
    words = list(_WORD.finditer(error))
    quoted = {
        index + offset
        for index, run in enumerate(_runs([word[0] for word in words]))
        if run in runs
        for offset in range(QUOTE_WORDS)
    }
    for index in sorted(quoted, reverse=True):
        error = error[: words[index].start()] + error[words[index].end() :]
    return error


def _runs(words: list[str]) -> list[tuple[str, ...]]:
    """Return all runs of QUOTE_WORDS words, to be compared without regard to case."""
    folded = [word.casefold() for word in words]
    return [tuple(folded[index : index + QUOTE_WORDS]) for index in range(len(folded) - QUOTE_WORDS + 1)]
