"""The words of the pages: what codes are called. Chinese is the source text; locales/en.po has the English.

A test walks through every table here and through the templates: no text without its English.
"""

from __future__ import annotations

from typing import Final

from server.people.alertwords import MEANINGS
from server.people.matchwords import MATCH_REFUSALS, PLAN_ALERTS, PLAN_DETAILS, PLAN_NOTES

# The main pages in their order; one that the server does not have is left out.
NAVIGATION: Final = {
    "/": "实时监看",
    "/sessions": "场次",
    "/attempts": "考试",
    "/staged": "待认领",
    "/plan": "计划",
    "/gateways": "网关",
    "/alerts": "告警",
}
# Of a session's window, and of a rig in a plan.
WINDOWS: Final = {"coming": "未开始", "open": "进行中", "over": "已结束"}
PURPOSES: Final = {"exam_only": "仅考试", "training_only": "仅训练", "dual_use_declared": "考试和训练兼用"}
STATES: Final = {
    "idle": "空闲",
    "open": "已核验待考",
    "running": "考试中",
    "finished": "本题结束",
    "fault": "设备故障",
    "offline": "离线",
    "unknown": "状态未知",
}
OUTCOMES: Final = {"finished": "完成", "timeout": "超时", "aborted": "中止", "veto": "否决"}
PROOFS: Final = {"receipted": "已入链", "stored": "已存储", "live": "实时·未存证"}
VERDICTS: Final = {"equal": "复算一致", "mismatch": "复算不一致", "impossible": "无法复算", "none": "无需复算"}
MODES: Final = {"exam": "考试", "practice": "练习", "maintenance": "检修"}
GUARANTEES: Final = {
    "latched": "锁存读取",
    "double-read": "双读比对",
    "single-read": "单次读取",
    "unacknowledged": "无确认",
}
SOURCES: Final = {"sensor": "传感器", "simulator": "模拟系统", "examiner": "考评员", "oral": "口述"}
IDENTITIES: Final = {"match": "人证一致", "no_match": "人证不符", "not_checked": "未核验"}
ACKS: Final = {"signed": "考生已签字", "refused": "考生拒签", "pending": "待签字"}
ABORTS: Final = {"candidate": "考生放弃", "examiner": "考评员终止", "fault": "设备故障", "power": "断电"}
ATTEMPT_STATES: Final = {"open": "进行中", "finished": "已结束", "aborted": "已中止"}
VETO_EFFECTS: Final = {"item_zeroed": "本题记零分", "exam_failed": "全场不合格"}
SEVERITIES: Final = {"alarm": "警报", "warning": "警告", "notice": "提示"}
SYNCS: Final = {"synced": "已同步", "unsynced": "未同步", "unknown": "未知"}
# What a candidate of a session is doing.
SITTERS: Final = {
    "waiting": "尚未开考",
    "running": "考试中",
    "between": "换题中",
    "over": "已结束",
    "aborted": "已中止",
}
GATEWAY_STATES: Final = {
    "online": "在线",
    "left": "补传中",
    "waiting": "等待首次心跳",
    "silent": "失联",
    "revoked": "已吊销",
}
BROKER_STATES: Final = {"connected": "已连接", "connecting": "正在连接", "down": "未连接"}
RUBRIC_STATUS: Final = {"default": "默认标准（非官方文本）", "official": "正式标准"}

TYPES: Final = {
    "gateway.started": "网关启动",
    "gateway.stopped": "网关停止",
    "generation.opened": "日志换代",
    "config.changed": "配置变更",
    "profile.adopted": "采用设备档案",
    "rubric.adopted": "采用评分标准",
    "plan.adopted": "采用考试计划",
    "rig.online": "设备上线",
    "rig.offline": "设备离线",
    "rig.rebooted": "设备重启",
    "rig.mode": "模式切换",
    "reading.refused": "拒收读数",
    "sequence.gap": "记录缺口",
    "session.opened": "场次开始",
    "session.closed": "场次结束",
    "identity.checked": "身份核验",
    "item.started": "题目开始",
    "deduction": "扣分",
    "item.finished": "题目结束",
    "attempt.finished": "考试结束",
    "attempt.aborted": "考试中止",
    "candidate.acknowledged": "考生确认",
    "practice.summary": "练习汇总",
    "clock.stepped": "时钟跳变",
    "anchor": "时间锚点",
    "relogged": "重新入链",
    "key.rotated": "密钥更换",
}

ALERTS: Final = {
    **PLAN_ALERTS,
    "recompute_mismatch": "复算与上报不一致",
    "not_recomputable": "成绩无法复算",
    "sequence_gap": "设备记录有缺口",
    "reading_refused": "读数校验未通过",
    "generation_opened": "网关日志换代",
    "clock_stepped": "网关时钟跳变",
    "rig_rebooted": "设备重启",
    "conflict": "同一记录出现两种内容",
    "wrong_opening": "个人信息与承诺不符",
    "unknown_type": "未知记录类型",
    "quarantined": "记录无法解读，已隔离",
    "adoption_unusable": "档案或评分标准不可用",
    "rig_two_gateways": "同一设备出现在两个网关",
    "evidence_damaged": "存证读取失败",
    "relogged_altered": "重新入链的记录在旧日志中已被改动",
    "relogged_unproven": "重新入链的记录无法由旧日志证明",
    "relogged_differs": "重新入链的记录与服务器所存不同",
    "relogged_displaced": "旧日志的同一位置另有记录",
    "gateway_silent": "网关失联",
    "rig_silent": "设备失联",
    # Raised by the ingest and the background audit.
    "new_generation": "网关日志换代",
    "opening_mismatch": "个人信息与承诺不符",
    "revoked": "已吊销的网关或证书仍在上传",
    "tampered": "存证被改动",
    "forked": "网关日志出现分叉",
    "rolled_back": "网关日志被回退",
    "cloned": "同一网关在两处运行",
    "bad_signature": "日志签名不成立",
    "wrong_origin": "网关上传了别的日志",
    "frozen": "向已冻结的日志上传",
    "restored": "服务器由备份恢复，等待网关补传",
    "refilled": "网关已补齐备份之后的记录",
    "generation_lost": "备份之后的旧日志记录缺失，须用文件补传",
}

NOTES: Final = {
    **PLAN_NOTES,
    "checksum_not_checkable": "个人信息已删除，校验码不可复核",
    "no_raw": "没有原始数据",
    "profile_not_adopted": "日志中没有所用的设备档案",
    "profile_unreadable": "设备档案无法读取",
    "rubric_not_adopted": "日志中没有适用的评分标准",
    "rubric_ambiguous": "有多个评分标准含此题",
    "rubrics_differ": "各题使用了不同的评分标准",
    "items_not_recomputed": "有题目未能复算",
    "tickets_differ": "准考证号不一致",
    "relogged": "从前一代日志重新入链",
    "relogged_part": "重新入链的记录的一部分",
    "relogged_copy": "服务器已有此记录，不重复计分",
    "relogged_differs": "与服务器所存的同一记录不同，不计分",
    "relogged_displaced": "服务器在其旧位置存有另一条记录",
    "relogged_altered": "在旧日志中签名后被改动",
    "relogged_unproven": "旧日志无法证明其未被改动",
    "conflict": "内容冲突",
    "wrong_opening": "个人信息与承诺不符",
    "unknown_type": "未知类型",
    "unknown_fields": "含未知字段",
    "mismatch": "复算不一致",
    "impossible": "无法复算",
}

# The keys of an alert's detail.
DETAILS: Final = {
    **PLAN_DETAILS,
    "reason": "原因",
    "detail": "说明",
    "type": "记录类型",
    "from": "自序号",
    "to": "至序号",
    "asked": "请求序号",
    "epoch": "开机计数",
    "previous_epoch": "先前开机计数",
    "gateway": "网关",
    "gateways": "网关",
    "what": "对象",
    "start": "自",
    "stop": "至",
    "count": "次数",
    "delta_us": "偏移（微秒）",
    "before": "之前",
    "after": "之后",
}

# Why a page refuses, by what the refusal says to programs; else by its status.
REFUSALS: Final = {
    "only an operator may match records": "只有操作员可以认领记录。",
    "there is no such attempt": "没有这场考试。",
    "there is no such plan": "没有这个计划。",
    "there is no such session": "没有这个场次。",
    "there is no such exam point": "没有这个考点。",
    "there is no such room": "没有这个考场。",
    "only an operator may see the names of candidates": "只有操作员可以查看考生姓名。",
    "there is no such gateway": "没有这个网关。",
    "there is no such alert": "没有这条告警。",
    "only an operator may acknowledge alerts": "只有操作员可以处理告警。",
    "this form has expired: load the page again": "表单已过期，请重新打开页面。",
    "too many logins at once": "同时登录的人太多，请稍后再试。",
}
STATUSES: Final = {
    "403": "没有权限。",
    "404": "没有这个页面。地址可能有误，或内容已不在。",
    "405": "此地址不接受这种操作。",
    "422": "提交的内容不符合要求，请检查后重试。",
    "429": "请求过多，请稍后再试。",
    "500": "服务器内部出错，已记入服务器日志。",
    "503": "服务器暂时无法处理，请稍后再试。",
}
REFUSED: Final = "请求被拒绝。"

# Why an entry is not proven.
UNPROVEN: Final = {
    "no_log": "服务器没有这份日志",
    "missing": "服务器没有这条记录",
    "not_cosigned": "尚未副署",
    "damaged": "存证读取失败",
    "broken": "证明不成立",
}

# What the live page's script says; keys are the script's, so they are stable.
SCRIPT: Final = {
    "connecting": "正在连接",
    "connected": "实时连接",
    "broken": "连接中断，正在重连",
    "stale": "数据停在",
    "left": "补传中，剩余 {n} 条",
    "unsent": "未上传 {n}",
    "oldest": "最久 {t}",
    "silent_gateway": "网关失联",
    "online": "在线",
    "waiting": "等待首次心跳",
    "clock_ok": "时钟正常",
    "clock_off": "时钟偏差 {t}",
    "disk": "磁盘余 {n}%",
    "certificate": "证书 {n} 天",
    "no_exams": "不接受新考试",
    "more": "另有 {n} 条",
    "deductions": "扣分 {n} 次",
    "silent_rig": "设备失联",
    "unreadable": "第 {n} 号记录无法读取",
    "veto": "否决项",
    "no_ticket": "准考证未知",
    "try2": "补考",
    "seconds": "{n} 秒",
    "minutes": "{n} 分钟",
    "passed": "合格",
    "failed": "不合格",
    "unheard": "尚未听到",
    "training": "仅训练",
    "planned_for": "计划属 {name}",
    "running_n": "{n} 考试中",
    "bad_n": "{n} 异常",
    "unheard_n": "{n} 未报到",
    "rigs_n": "{n} 台",
    "people_n": "{n} 人",
    "damaged_plan": "计划无法读取",
    "plan_n": "计划第 {n} 版",
    "exam_over": "考试结束",
    "part_over": "本台考完",
    "exam_broken": "考试中止",
}


def refusal(status: int, detail: str) -> str:
    """What a page says about a refusal, in the source language."""
    return REFUSALS.get(detail) or STATUSES.get(str(status), REFUSED)


TABLES: Final = (
    NAVIGATION,
    WINDOWS,
    PURPOSES,
    STATES,
    OUTCOMES,
    PROOFS,
    VERDICTS,
    MODES,
    GUARANTEES,
    SOURCES,
    IDENTITIES,
    ACKS,
    ABORTS,
    ATTEMPT_STATES,
    VETO_EFFECTS,
    SEVERITIES,
    SYNCS,
    SITTERS,
    GATEWAY_STATES,
    BROKER_STATES,
    RUBRIC_STATUS,
    TYPES,
    ALERTS,
    MEANINGS,
    NOTES,
    DETAILS,
    REFUSALS,
    MATCH_REFUSALS,
    STATUSES,
    UNPROVEN,
    SCRIPT,
)
