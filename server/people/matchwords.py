"""The words about plans and matches, taken into the tables of words.py. Chinese is the source text, as there."""

from __future__ import annotations

from typing import Final

# Why a match is refused, by the code of server/matches/rules.py.
MATCH_REFUSALS: Final = {
    "not_staged": "这些记录不在待认领之列：不存在、已有归属，或已被认领。",
    "not_matched": "这些记录没有被认领，无从撤销。",
    "not_planned": "已采用的考试计划中没有这名考生的这场考试。",
    "another_point": "网关 {gateway} 不属于考点 {point}。",
    "another_occupation": "题目 {item} 不属于该场次的评分标准：操作项目不同。",
    "not_on_paper": "题目 {item} 不在该考生的试卷中。",
    "item_ended": "该考生的题目 {item} 已经结束，不能再认领一次。",
    "no_why": "请写明理由。",
    "why_too_long": "理由超过 {limit} 个字符。",
    "changed": "其间已有他人认领或撤销，请重新查看。",
}
PLAN_ALERTS: Final = {
    "plan_differs": "同一版计划出现不同文本",
    "plan_not_published": "网关采用了本服务器未发布的计划",
    "session_nonce_wrong": "场次随机数与本服务器所发不符",
    "practice_in_session": "场次时段内考试工位在练习或检修",
    "exam_on_training_rig": "在仅供训练的设备上考试",
    "rig_not_owned": "设备由计划之外的网关读取",
    "attempt_not_scored": "考试无法评分",
    "attempt_of_another_point": "别的考点的网关写入了这场考试的记录",
}
PLAN_MEANINGS: Final = {
    "plan_differs": "同一考点、同一版本号的计划，各网关采用的文本不同。请核对各网关采用的是哪一份。",
    "plan_not_published": "网关采用的计划不是本服务器发布的文本。已发布的计划优先计分，请核查该网关。",
    "session_nonce_wrong": "场次开始记录中的随机数不是本服务器在该时段内发出的，不能证明记录晚于开场。请核查该网关。",
    "practice_in_session": "按计划该工位正在考试时段，设备却处于练习或检修模式。请到现场核实。",
    "exam_on_training_rig": "计划把这台设备列为仅供训练，却在其上进行了考试。教考应当分离，请核查。",
    "rig_not_owned": "计划把这台设备交给另一个网关读取。记录照常保存，请核对接线和计划。",
    "attempt_of_another_point": "考试编号是公开的，写入者却不是该考点的网关。记录已留存，不计分。请立即核查该网关。",
    "attempt_not_scored": "缺少场次的评分标准，或题目无法复算、重复结束，因此没有总分。原因见该场考试。",
}
PLAN_NOTES: Final = {
    "plan_not_adopted": "日志中没有所用的考试计划",
    "session_not_in_plan": "计划中没有这个场次",
    "session_rubric_not_adopted": "缺少该场次的评分标准，未评分",
    "plan_not_published": "计划不是本服务器所发布",
    "not_in_plan": "没有计划列有这场考试",
    "another_point": "有别的考点的网关写入的记录，不计分",
    "beyond_plan": "有试卷以外的题目，不计分",
    "elsewhere": "有题目不在计划的工位进行",
    "item_twice": "同一题目结束了两次，未评分",
    "item_after_abort": "有题目中止后重新进行",
    "partial_paper": "只考部分科目，须与前次成绩合并认定",
    "try_differs": "设备所报考次与计划不同",
    "training_rig": "在仅供训练的设备上进行",
    "aborted": "已中止，不计分",
}
PLAN_DETAILS: Final = {
    "version": "版本",
    "sha256": "文本摘要",
    "point": "考点",
    "session": "场次",
    "mode": "模式",
    "station": "工位",
    "by": "依据时间",
    "owner": "计划所属网关",
}
