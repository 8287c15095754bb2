"""Register tables as two makers would hand them over: XLSX, Chinese, merged cells, 4xxxx, one mistake in each.

The files are kept beside what uses them; `python tests/support/maker_tables.py` writes them again after a change here.
Each mistake is told in the docstring of its table.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from openpyxl import Workbook
from openpyxl.styles import Alignment

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
ROPE = ROOT / "docs/examples/single-rope-bench/registers.xlsx"
MOTOR = ROOT / "tests/vectors/tables/motor-bench.xlsx"

Field = tuple[object, ...]
_HEAD = ("区块", "序号", "寄存器地址", "名称", "数据类型", "长度(字)", "读写", "说明")


def rope_table() -> Workbook:
    """The bench of docs/connect-a-rig.md. Its mistake: 结束时间 is said to begin one register too early, at 41030."""
    book = _book("寄存器表", "QL-XD20 座板式单人吊具考核装置  Modbus 通讯协议  V2.1")
    notes = (
        "Modbus TCP，端口 502，站号 1，功能码 03/16。32位数据低字在前（CDAB）。",
        "校验为 CRC16-MODBUS，从本块首字算到校验字之前。",
    )
    status: list[Field] = [
        ("40001-40002", "最新成绩流水号", "UINT32", 2, "R", "无成绩时为 0"),
        ("40003-40007", "设备编号", "ASCII", 5, "R", "不足补 0"),
        ("40008", "上电次数", "UINT16", 1, "R", ""),
        ("40009", "设备状态", "UINT16", 1, "R", "0:空闲 1:考生已登录 2:考试中 3:考试结束 9:故障"),
        ("40010", "工作模式", "UINT16", 1, "R", "1:考试 2:练习 3:检修"),
        ("40011-40012", "最早未确认流水号", "UINT32", 2, "R", "全部确认后为 0"),
        ("40013-40014", "已确认流水号", "UINT32", 2, "R", ""),
        ("40015", "已用时", "UINT16", 1, "R", "秒"),
        ("40016", "考试限时", "UINT16", 1, "R", "秒"),
        ("40017", "当前得分", "UINT16", 1, "R", "单位 0.1 分"),
        ("40018", "故障代码", "UINT16", 1, "R", "0 为无故障"),
        ("40019", "心跳", "UINT16", 1, "R", "每秒加 1"),
        ("40020-40021", "最新成绩流水号（复核）", "UINT32", 2, "R", "与首字一致时本块有效"),
        ("40022", "校验", "UINT16", 1, "R", ""),
    ]
    control: list[Field] = [
        ("40301-40302", "成绩确认", "UINT32", 2, "R/W", "写入已保存的流水号；设备接受后可读回同一数")
    ]
    result: list[Field] = [
        ("41001-41002", "成绩流水号", "UINT32", 2, "R", "从 1 起"),
        ("41003-41007", "设备编号", "ASCII", 5, "R", "不足补 0"),
        ("41008", "上电次数", "UINT16", 1, "R", ""),
        ("41009-41016", "准考证号", "ASCII", 8, "R", "不足补 0"),
        ("41017-41022", "考生姓名", "字符", 6, "R", "GB18030，不足补 0"),
        ("41023-41024", "考试编号", "BCD", 2, "R", "8 位数字"),
        ("41025-41026", "考试项目", "ASCII", 2, "R", "如 K23"),
        ("41027-41030", "开始时间", "BCD", 4, "R", "年年月日时分秒00，北京时间，高字在前"),
        ("41030-41033", "结束时间", "BCD", 4, "R", "年年月日时分秒00，北京时间，高字在前"),
        ("41035", "用时", "UINT16", 1, "R", "秒"),
        ("41036", "考试限时", "UINT16", 1, "R", "秒"),
        ("41037", "结束方式", "UINT16", 1, "R", "1:正常完成 2:超时 3:中止 4:否决"),
        ("41038", "工作模式", "UINT16", 1, "R", "1:考试 2:练习 3:检修"),
        ("41039", "考试成绩", "UINT16", 1, "R", "单位 0.1 分"),
        ("41040", "扣分位", "UINT16", 1, "R", "位 0-5，见“扣分表”"),
        ("41041-41045", "保留", "", 5, "R", ""),
        ("41046-41047", "成绩流水号（复核）", "UINT32", 2, "R", "与首字一致时本条有效"),
        ("41048", "校验", "UINT16", 1, "R", ""),
    ]
    _fill(
        book,
        notes,
        (
            ("状态区", status),
            ("控制区", control),
            ("成绩区：8 条循环，每条占 64 字，流水号除以 8 的余数为条号，余数 0 在最前", result),
        ),
    )
    points = book.create_sheet("扣分表")
    for row in (
        ("位", "评分项", "扣分", "说明"),
        (0, 1, "10 分", "未检查设备、锚固点、警戒区"),
        (1, 2, "15 分", "工作绳、保险绳共用锚固点"),
        (2, 3, "20 分", "下降速度超限"),
        (3, 4, "10 分", "绳索无保护"),
        (4, 5, "2.5 分", "工具未防坠"),
        (5, 6, "5 分，否决", "未连接自锁器即下吊"),
    ):
        points.append(row)
    return book


def motor_table() -> Workbook:
    """A bench of no page. Its mistake: 考试成绩 has 倍率 0.1, the remark says 放大100倍 and 满分为 10000."""
    book = _book("通讯点表", "DY-ZF3 三相异步电动机正反转接线考核柜 通讯点表（V1.07）")
    notes = (
        "通讯：Modbus TCP，站号 1，端口 502；03 读，16 写。",
        "双字数据低字在前；汉字为 GB18030；校验 CRC-16/XMODEM，从每块第一个字起，不含校验字",
    )
    status: list[Field] = [
        ("40101", "启动次数", "UINT16", 1, "只读", "每次上电加 1"),
        ("40102-40105", "设备编号", "ASCII", 4, "只读", ""),
        ("40106-40107", "最新记录号", "UINT32", 2, "只读", ""),
        ("40108-40109", "最早未确认记录号", "UINT32", 2, "只读", "0 表示没有"),
        ("40110-40111", "已确认记录号", "UINT32", 2, "只读", ""),
        ("40112", "运行状态", "UINT16", 1, "只读", "1=待机，2=登录，3=操作中，4=完成，8=故障"),
        ("40113", "运行模式", "UINT16", 1, "只读", "0=考试，1=训练，2=维护"),
        ("40114-40115", "当前项目", "ASCII", 2, "只读", ""),
        ("40116", "实时得分", "UINT16", 1, "只读", "放大100倍"),
        ("40117", "心跳计数", "UINT16", 1, "只读", ""),
        ("40118-40119", "最新记录号重复", "UINT32", 2, "只读", "同 40106"),
        ("40120", "CRC校验", "UINT16", 1, "只读", ""),
    ]
    result: list[Field] = [
        ("42001-42002", "记录号", "UINT32", 2, "只读", ""),
        ("42003-42006", "设备编号", "ASCII", 4, "只读", ""),
        ("42007", "启动次数", "UINT16", 1, "只读", ""),
        ("42008-42013", "考生姓名", "汉字", 6, "只读", "GB18030"),
        ("42014-42021", "准考证号", "ASCII", 8, "只读", ""),
        ("42022-42023", "考试序号", "BCD", 2, "只读", "8 位 BCD"),
        ("42024-42025", "项目代码", "ASCII", 2, "只读", "K22"),
        ("42026", "项目序数", "UINT16", 1, "只读", "本次考试第几项，从 1 起"),
        ("42027-42029", "开始时间", "BCD", 3, "只读", "年月日时分秒，北京时间，先年月后分秒"),
        ("42030-42032", "完成时间", "BCD", 3, "只读", "年月日时分秒，北京时间，先年月后分秒"),
        ("42033", "耗时", "UINT16", 1, "只读", "秒"),
        ("42034", "限时", "UINT16", 1, "只读", "秒"),
        ("42035", "考试结果", "UINT16", 1, "只读", "0=正常完成，1=超时，2=中止，3=否决"),
        ("42036", "运行模式", "UINT16", 1, "只读", "0=考试，1=训练，2=维护"),
        ("42037", "考试成绩", "UINT16", 1, "只读", "放大100倍，满分为 10000", "0.1"),
        ("42038", "否决项", "UINT16", 1, "只读", "否决项数目，无则为 0"),
        ("42039-42040", "记录号重复", "UINT32", 2, "只读", "同首字"),
        ("42041", "CRC校验", "UINT16", 1, "只读", ""),
    ]
    control: list[Field] = [("40201-40202", "确认记录号", "UINT32", 2, "读写", "上位机存好后写入；柜体认可后读回相同")]
    head = ("分区", "序号", "Modbus地址", "参数名称", "格式", "字数", "权限", "备注", "倍率")
    _fill(
        book,
        notes,
        (
            ("状态区", status),
            ("应答区", control),
            ("成绩记录区（共 6 条，每条 50 字，记录号 ÷ 6 的余数决定位置，余 0 在首）", result),
        ),
        head,
    )
    return book


def packed(book: Workbook) -> bytes:
    """As a file."""
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def _book(title: str, head: str) -> Workbook:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    sheet.append([head])
    return book


def _fill(
    book: Workbook,
    notes: Sequence[str],
    blocks: Sequence[tuple[str, Sequence[Field]]],
    head: Sequence[str] = _HEAD,
) -> None:
    """The rows; every line over all columns and every block's name is one merged cell."""
    sheet = book.worksheets[0]
    for note in notes:
        sheet.append([note])
    for line in range(1, 2 + len(notes)):
        sheet.merge_cells(start_row=line, end_row=line, start_column=1, end_column=len(head))
    sheet.append(list(head))
    number = 0
    for name, fields in blocks:
        first = sheet.max_row + 1
        for field in fields:
            number += 1
            sheet.append([name if sheet.max_row + 1 == first else None, number, *field])
        if len(fields) > 1:
            sheet.merge_cells(start_row=first, end_row=sheet.max_row, start_column=1, end_column=1)
        sheet.cell(first, 1).alignment = Alignment(wrap_text=True, vertical="center")
    for column, width in zip("ABCDEFGHI", (16, 6, 14, 22, 10, 9, 7, 44, 7), strict=True):
        sheet.column_dimensions[column].width = width


if __name__ == "__main__":
    ROPE.write_bytes(packed(rope_table()))
    MOTOR.write_bytes(packed(motor_table()))
