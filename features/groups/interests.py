"""What the patient reads about, how deep, and in which form: from the items that were opened."""

from __future__ import annotations

from features import feature_group
from features.history import Reduction, Selection

TOPICS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("diet", "饮食", ("diet", "nutrition", "diabetes_diet", "low_salt", "饮食", "营养", "控糖饮食", "低盐饮食")),
    ("exercise", "运动", ("exercise", "运动", "锻炼", "运动打卡")),
    ("rehabilitation", "康复", ("rehabilitation", "康复", "康复训练")),
    ("side_effects", "副作用", ("side_effects", "side effects", "副作用", "不良反应")),
    ("medication", "用药", ("medication", "medicines", "用药", "合理用药")),
    ("diabetes", "糖尿病", ("diabetes", "diabetes_diet", "glucose_monitoring", "糖尿病", "血糖监测", "控糖饮食")),
    ("hypertension", "高血压", ("hypertension", "low_salt", "高血压", "低盐饮食")),
    ("heart", "心血管", ("heart", "heart_failure", "stroke", "lipids", "冠心病", "心力衰竭", "脑卒中", "血脂管理")),
)
"""What is sought, and the words by which catalogues of contents call it."""
LAYERS = (
    ("basic", "基础", ("basic", "基础")),
    ("advanced", "进阶", ("advanced", "进阶")),
    ("interactive", "互动", ("interactive", "互动")),
)
FORMATS = (
    ("article", "文章", ("article", "文章", "图文")),
    ("short_video", "短视频", ("short_video", "video", "短视频")),
    ("livestream", "直播", ("livestream", "直播")),
    ("comic", "漫画", ("comic", "漫画")),
    ("h5", "H5", ("h5", "H5")),
)


def _plain(name: str) -> str:
    return name.replace("_", " ")


@feature_group(
    source="interactions",
    purposes=("care_followup", "health_education"),
    why="what is read about, and in which form, says what would be read next",
    clinical_group="reading",
)
def interests(history: Selection) -> dict[str, Reduction]:
    """Topics, layers and formats of the items viewed over 90 days, by the catalogue of contents. Unit: 1."""
    viewed = history.where(action=("view", "finish")).within(days=90)
    topics = {
        f"topic_{name}_share_90d": viewed.share(content_topics=words).labelled(
            label_zh=f"近90天{zh}主题阅读比例", label_en=f"share of views on {_plain(name)}, last 90 days"
        )
        for name, zh, words in TOPICS
    }
    layers = {
        f"layer_{name}_share_90d": viewed.share(content_layer=words).labelled(
            label_zh=f"近90天{zh}层内容阅读比例", label_en=f"share of views of the {_plain(name)} layer, last 90 days"
        )
        for name, zh, words in LAYERS
    }
    formats = {
        f"format_{name}_share_90d": viewed.share(content_format=words).labelled(
            label_zh=f"近90天{zh}形式阅读比例", label_en=f"share of views as {_plain(name)}, last 90 days"
        )
        for name, zh, words in FORMATS
    }
    distinct = viewed.distinct("content_format").labelled(
        label_zh="近90天阅读形式数", label_en="different formats viewed, last 90 days"
    )
    return topics | layers | formats | {"format_distinct_90d": distinct}
