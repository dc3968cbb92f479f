"""What a card states of a self-test, which is learnt from a survey of examined people, not from records."""

from __future__ import annotations

NONE = "none: "
_APART = NONE + "not done: learnt from and judged on one survey, by people whom the model had not seen"
_NOT_LOCAL = NONE + "not measured on the hospital's own people: compare it with the examinations that follow"

HTI1 = {
    "2.iii intended users": "the person who answers; a clinician who advises an examination",
    "2.iv role in decisions": "informs: it advises an examination, which decides",
    "3.ii known risks": "answers of one's own are less certain than measurements; reasons are not causes",
    "4.iv relevance to the setting": "learnt from a survey of another population than the hospital's (TRIPOD+AI 5a): "
    "validate it on the hospital's own people before use",
    "5.ii approach to bias": "spend never enters; protected attributes enter with a written clinical reason; no "
    "resampling or class weights",
    "6.i external data": _APART,
    "6.ii external party": _APART,
    "6.iii external representativeness": _APART,
    "6.iv external process": _APART + "; at least 100 events are asked for when it is",
    "7.iii validity, other source": _APART,
    "7.iv fairness, other source": _APART,
    "8.i monitoring of validity": "by the examinations that follow, which the hospital collects",
    "8.ii validity in local data": _NOT_LOCAL,
    "8.iii monitoring of fairness": "at every proposal, on the people of the survey, by the same gates",
    "8.iv fairness in local data": _NOT_LOCAL,
}
"""Attributes of the rule in other words than those for a risk from records."""
TRIPOD_AI = {
    "3a context": "many who are ill have never been told; a questionnaire costs nothing",
    "4 objectives": "develop, calibrate and evaluate one model version for people who fill in the questionnaire",
    "6a setting": "a health examination survey: questionnaire, body measures, blood pressure, laboratory (outcome)",
    "6c treatments": "medicines are inputs where they are asked for; none is assigned by the model",
    "7 preparation": "answers and measures as the survey gives them; values clipped before training",
    "8b outcome assessors": "the survey's laboratory and examiners",
    "8c blinding": "the examination was made without knowledge of any score",
    "9c predictor assessors": "the person's own answers; measures by the survey's examiners",
    "12d heterogeneity": "by age and sex in section fairness",
    "12e performance measures": "AUROC, AUPRC, Brier, slope, intercept, O:E, ICI, net benefit, out of fold; bootstrap "
    "over people",
    "18e data sharing": "the survey is public; answers given to the hospital do not leave it",
    "25 interpretation": "the risk says how near an examination is; it does not say why",
    "26 limitations": "one survey of another population; examined once; answers of one's own",
}
"""Items of the checklist in other words than those for a risk from records."""
