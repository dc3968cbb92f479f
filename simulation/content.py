"""The catalogue of contents: articles, videos and the like, reviewed, dated, some barred to some."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from features.schema import table
from simulation.chunk import generator
from simulation.grid import Grid

ITEMS = 400
FORMATS = ("article", "short_video", "livestream", "comic", "h5")
LAYERS = ("basic", "advanced", "interactive")
FORBIDDEN = ("最有效", "治愈率", "第一")


@dataclass(frozen=True)
class Topic:
    """A topic: zh name, the disease it belongs to (or none), department, who must not see its items."""

    name: str
    zh: str
    disease: str | None
    department: str
    barred: tuple[str, ...] = ()
    sensitive: bool = False


TOPICS: tuple[Topic, ...] = (
    Topic("diabetes", "糖尿病", "diabetes", "内分泌科"),
    Topic("diabetes_diet", "控糖饮食", "diabetes", "内分泌科", ("chronic_kidney_disease",)),
    Topic("glucose_monitoring", "血糖监测", "diabetes", "内分泌科"),
    Topic("hypertension", "高血压", "hypertension", "心内科"),
    Topic("low_salt", "低盐饮食", "hypertension", "心内科"),
    Topic("heart", "冠心病", "coronary_heart_disease", "心内科"),
    Topic("heart_failure", "心力衰竭", "heart_failure", "心内科"),
    Topic("stroke", "脑卒中", "stroke", "神经内科"),
    Topic("lipids", "血脂管理", "dyslipidaemia", "心内科"),
    Topic("copd", "慢阻肺", "copd", "呼吸科"),
    Topic("smoking_cessation", "戒烟", "copd", "呼吸科"),
    Topic("kidney", "肾脏保护", "chronic_kidney_disease", "肾内科"),
    Topic("bone", "骨质疏松", "osteoporosis", "骨科"),
    Topic("weight", "体重管理", "obesity", "内分泌科", ("pregnancy",)),
    Topic("exercise", "运动打卡", None, "康复科", ("heart_failure",)),
    Topic("mental_health", "心理健康", "depression", "心理科", (), True),
    Topic("sleep", "睡眠", None, "心理科"),
    Topic("medication", "合理用药", None, "药房"),
    Topic("rehabilitation", "康复训练", "stroke", "康复科"),
    Topic("infection", "感冒与感染", None, "呼吸科"),
    Topic("cancer_screening", "癌症筛查", None, "肿瘤科", (), True),
    Topic("nutrition", "均衡营养", None, "营养科"),
    Topic("child_health", "儿童健康", None, "儿科"),
    Topic("tcm", "中医养生", None, "中医科", ("pregnancy",)),
)
TITLES = (
    "{}：您需要知道的{}件事", "{}患者的{}个日常建议", "医生谈{}：{}问{}答", "{}的{}个误区", "和{}好好相处：第{}课",
    "{}小课堂（{}）", "一图看懂{}（{}）", "{}答疑直播第{}场",
)  # fmt: skip


@dataclass(frozen=True)
class Catalogue:
    """The items: main topic and format by index, quality (latent), day of publication and of expiry,
    and whether nobody must be kept from an item (``open``); ``table`` is the canonical one."""

    topic: np.ndarray
    second: np.ndarray
    format: np.ndarray
    quality: np.ndarray
    published: np.ndarray
    expires: np.ndarray
    open: np.ndarray
    barred: tuple[tuple[str, ...], ...]
    ids: tuple[str, ...]
    table: pa.Table


def catalogue(seed: int, grid: Grid) -> Catalogue:
    """Draw the catalogue of a hospital, the same for every chunk."""
    rng = generator(seed, 2**31, "content")
    topic, second = rng.integers(0, len(TOPICS), ITEMS), rng.integers(0, len(TOPICS), ITEMS)
    second = np.where(rng.random(ITEMS) < 0.4, second, topic)
    form = rng.choice(len(FORMATS), ITEMS, p=[0.42, 0.3, 0.08, 0.1, 0.1])
    layer = rng.choice(3, ITEMS, p=[0.5, 0.3, 0.2])
    early = rng.random(ITEMS) < 0.35
    published = np.where(early, grid.start - rng.integers(1, 400, ITEMS), rng.integers(grid.start, grid.end, ITEMS))
    expires = published + rng.choice([365, 730, 1095], ITEMS, p=[0.2, 0.5, 0.3])
    reviewers = np.where(rng.random(ITEMS) < 0.92, rng.integers(3, 5, ITEMS), rng.integers(0, 3, ITEMS))
    claims = rng.random(ITEMS) < 0.02
    title, barred, names = [], [], []
    for item in range(ITEMS):
        subject, number = TOPICS[topic[item]], int(rng.integers(3, 30))
        text = TITLES[int(rng.integers(0, len(TITLES)))]
        filled = text.format(subject.zh, number, number) if text.count("{}") == 3 else text.format(subject.zh, number)
        title.append(filled + (f"，{FORBIDDEN[item % 3]}的方法" if claims[item] else ""))
        both = set(subject.barred) | set(TOPICS[second[item]].barred)
        extra = {"pregnancy"} if rng.random() < 0.05 else set()
        barred.append(tuple(sorted(both | extra)))
        names.append(f"doc-{int(rng.integers(1, 60)):03d}")
    sensitive = np.array([TOPICS[one].sensitive or TOPICS[two].sensitive for one, two in zip(topic, second)])
    adult = sensitive | (rng.random(ITEMS) < 0.05)
    ids = tuple(f"c{item:04d}" for item in range(ITEMS))
    moment = pa.timestamp("us", tz="UTC")
    doctors = rng.permuted(np.tile(np.arange(100, 140), (ITEMS, 1)), axis=1)
    columns = {
        "content_id": list(ids),
        "title": title,
        "topics": [list(dict.fromkeys((TOPICS[one].name, TOPICS[two].name))) for one, two in zip(topic, second)],
        "layer": [LAYERS[index] for index in layer],
        "language": ["zh"] * ITEMS,
        "format": [FORMATS[index] for index in form],
        "department": [TOPICS[index].department for index in topic],
        "author": names,
        "published_at": pa.array(grid.micros(published, 9 * 3600)).cast(moment),
        "expires_at": pa.array(grid.micros(expires, 0)).cast(moment),
        "reviewers": [[f"doc-{each}" for each in doctors[item, : reviewers[item]]] for item in range(ITEMS)],
        "contraindications": [list(each) for each in barred],
        "min_age": np.where(adult, 18.0, 0.0),
        "sensitive": sensitive,
    }
    return Catalogue(
        topic=topic,
        second=second,
        format=form,
        quality=rng.normal(0, 0.5, ITEMS),
        published=published,
        expires=expires,
        open=(reviewers >= 3) & ~claims & ~sensitive & ~adult,
        barred=tuple(barred),
        ids=ids,
        table=pa.table(columns, schema=table("contents").arrow()),
    )
