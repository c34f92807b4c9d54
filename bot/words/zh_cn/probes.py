"""What the process says of itself over HTTP, in Chinese."""

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "probes.silent": "已有 {time}没有响应。",
    "probes.not_asked": "无法检查：内部错误（{error}）；详见日志。",
    "probes.only_to_read": "这里只能读取。",
    "probes.paths": "这里有 {paths}。",
    "probes.not_found_out": "就绪状态：{time}内未能确认",
    "probes.ready_all_the_same": "{what}（仍视为就绪）",
    "probes.broken": "{what}：内部错误（{error}）；详见日志",
    "probes.slack_not_connected": "没有连接到 Slack。",
}
