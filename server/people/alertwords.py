"""What each alert means and what a person should do, in plain words.

Chinese is the source; locales/en.po has the English. What ingest and audit write beside an alarm is English for
technicians: a page shows it folded, under these words.
"""

from __future__ import annotations

from typing import Final

from server.people.matchwords import PLAN_MEANINGS

MEANINGS: Final = {
    **PLAN_MEANINGS,
    "recompute_mismatch": "服务器按原始数据重新评分，结果与上报不同。以复算为准，请核查设备和网关。",
    "not_recomputable": "日志中没有评分所需的档案或标准，只能显示上报的分数，无法证明。",
    "sequence_gap": "设备的记录号不连续：有记录在到达网关之前已丢失或被覆盖。",
    "reading_refused": "网关读到的数据不完整或校验不符，已拒收并留存，没有采用其中的任何数值。",
    "generation_opened": "网关换了新日志，例如磁盘损坏或更换设备。旧日志已冻结，请核实是谁、为何更换。",
    "clock_stepped": "网关的时钟被拨动。记录顺序不受影响，时间请以可证明的区间为准。",
    "rig_rebooted": "设备重新启动过。若在考试中发生，请查看该场考试。",
    "conflict": "同一设备、同一记录号先后出现两种内容。两份都已保留，请立即核查。",
    "wrong_opening": "随记录上传的个人信息与日志中的承诺不符。成绩不受影响，个人信息存疑。",
    "unknown_type": "网关写入了服务器不认识的记录类型，可能是软件版本较新。记录已保留。",
    "quarantined": "这条记录无法解读，已隔离保存，不影响其他记录。",
    "adoption_unusable": "网关采用的档案或评分标准无法使用，相关成绩不能复算。",
    "rig_two_gateways": "同一台设备的记录来自两个网关。一台设备只应由一个网关读取，请核查是否有人冒用。",
    "evidence_damaged": "服务器读取存证失败，请检查磁盘并从备份恢复。",
    "relogged_altered": "重新入链的记录与旧日志中已签名的内容不同，有人改动过。",
    "relogged_unproven": "重新入链的记录在旧日志中没有可验证的签名，无法证明未被改动。",
    "relogged_differs": "重新入链的记录与服务器已存的同一记录不同，以已存的为准。",
    "relogged_displaced": "服务器在旧日志的同一位置存有另一条记录：旧日志曾被回退。两条都已保留并计入，请核查。",
    "gateway_silent": "服务器听不到这个网关。考试可在现场继续，成绩留在网关，恢复后自动补传；请检查网络和电源。",
    "rig_silent": "网关读不到这台设备。请检查设备电源和连线；已完成的题目保存在设备中。",
    "new_generation": "网关开始上传新一代日志，旧日志已冻结。请核实是谁、为何更换。",
    "opening_mismatch": "随记录上传的个人信息与日志中的承诺不符。成绩不受影响，个人信息存疑。",
    "revoked": "已吊销的网关或证书还在上传。上传已被拒绝并留存，请找到这台设备。",
    "tampered": "服务器存证中的内容与签名不符：存储被人改动或损坏。请保全现场并从备份恢复。",
    "forked": "网关签出了两份互相矛盾的日志，或改写了历史。上传已被拒绝并留存为证据，请立即核查。",
    "rolled_back": "网关的日志比服务器已收到的短：它可能被恢复到旧的状态。请立即核查该网关。",
    "cloned": "同一网关有两台在同时运行，轮流发送。请找出哪一台是复制的并关闭。",
    "bad_signature": "上传的日志签名不成立，不是登记的密钥所签。已拒绝并留存。",
    "wrong_origin": "网关上传了不属于自己的日志。已拒绝并留存，请核查。",
    "frozen": "网关向已经被新一代取代的日志上传。已拒绝并留存，可能有旧设备仍在运行。",
    "restored": "服务器由备份恢复，备份之后的记录正在由网关自动补传，补齐之前请勿下结论。",
    "refilled": "网关已把备份之后的记录补传完毕，无须处理。",
    "generation_lost": "服务器由备份恢复，而网关在备份之后换过日志：旧日志里的这些记录不会自动补传。"
    "请在网关上执行 kaofen-gateway export CONFIG DIR --generation N（N 见说明），"
    "把文件带到服务器，执行 kaofen-server import；补齐后再确认。",
}
