"""Words of Chinese exports as values of the canonical tables; a mapping's own words come first."""

from __future__ import annotations

WORDS: dict[tuple[str, str], dict[str, str]] = {
    ("patients", "sex"): {
        **dict.fromkeys(("男", "男性", "m", "male", "1", "男孩"), "male"),
        **dict.fromkeys(("女", "女性", "f", "female", "2", "女孩"), "female"),
        **dict.fromkeys(("未知", "不详", "0", "u", "unknown"), "unknown"),
        **dict.fromkeys(("未说明", "其他", "9", "other"), "other"),
    },
    ("encounters", "kind"): {
        **dict.fromkeys(("门诊", "普通门诊", "专家门诊", "专科门诊", "复诊"), "outpatient"),
        **dict.fromkeys(("急诊", "急诊留观"), "emergency"),
        **dict.fromkeys(("住院", "入院", "日间手术"), "inpatient"),
        **dict.fromkeys(("互联网门诊", "线上", "线上问诊", "在线问诊", "图文问诊", "视频问诊"), "online"),
        **dict.fromkeys(("药房", "取药"), "pharmacy"),
        **dict.fromkeys(("随访", "电话随访"), "follow_up"),
        **dict.fromkeys(("体检", "健康体检"), "check_up"),
        **dict.fromkeys(("家庭", "上门", "家庭病床"), "home"),
    },
    ("encounters", "status"): {
        **dict.fromkeys(("已就诊", "已完成", "完成", "就诊", "诊毕", "已结束", "出院", "已出院"), "finished"),
        **dict.fromkeys(("预约", "已预约", "待就诊", "已挂号"), "planned"),
        **dict.fromkeys(("就诊中", "在诊", "在院", "进行中"), "in_progress"),
        **dict.fromkeys(("取消", "已取消", "退号", "已退号"), "cancelled"),
        **dict.fromkeys(("爽约", "未到", "失约", "未就诊", "过号"), "no_show"),
    },
    ("family_history", "relation"): {
        **dict.fromkeys(("父亲", "父"), "father"),
        **dict.fromkeys(("母亲", "母"), "mother"),
        **dict.fromkeys(("兄弟", "姐妹", "兄弟姐妹", "哥哥", "弟弟", "姐姐", "妹妹"), "sibling"),
        **dict.fromkeys(("子女", "儿子", "女儿"), "child"),
    },
    ("observations", "context"): {
        **dict.fromkeys(("空腹",), "fasting"),
        **dict.fromkeys(("餐后2小时", "餐后两小时", "餐后"), "2h"),
        **dict.fromkeys(("静息",), "resting"),
    },
    ("observations", "origin"): {
        **dict.fromkeys(("检验", "化验", "实验室"), "laboratory"),
        **dict.fromkeys(("门诊", "病房", "体检"), "clinic"),
        **dict.fromkeys(("设备", "家用设备", "血糖仪", "血压计"), "device"),
        **dict.fromkeys(("患者", "自报", "自述"), "patient"),
    },
}
"""By table and column: word (lower case) to value. Sex codes 0, 1, 2 and 9 are those of GB/T 2261.1."""

CLOSED = {("encounters", "status"): frozenset(("planned", "in_progress", "finished", "cancelled", "no_show"))}
"""Columns whose every other word would be read by nothing, and so is set aside until a mapping says what it means."""
NOTHING = frozenset(("null", "\\n", "#n/a", "n/a", "nan", "—", "——"))
"""What exports write into a cell of which nothing is known (lower case); a mapping's own words come first."""
DASHES = frozenset(("-", "--", "/"))
"""And where a time or a number is wanted; the result of a test may be a dash."""
YES = frozenset(("是", "1", "true", "yes", "y", "t", "作废", "已作废", "有", "√"))
NO = frozenset(("否", "0", "false", "no", "n", "f", "正常", "无", "×"))
