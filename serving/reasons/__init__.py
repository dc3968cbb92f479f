"""Reviewed words: reasons, refusals and the names of clinical groups, in Chinese and English."""

from serving.reasons.choice import Choice, choose
from serving.reasons.refusals import Refusal, group_names, refusal, refusals
from serving.reasons.templates import Template, Templates, read_templates, templates

__all__ = [
    "Choice",
    "Refusal",
    "Template",
    "Templates",
    "choose",
    "group_names",
    "read_templates",
    "refusal",
    "refusals",
    "templates",
]
