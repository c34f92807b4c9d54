// The page's own words, in the language of the rehearsal. What the app writes is shown as it wrote it.

const CHINESE = {
  "Skip to the message box": "跳到消息框", "Workspace": "工作区", "Messages": "消息", "Thread": "消息列", "Live view": "实时视图",
  "Canary workspace": "Canary 工作区", "rehearsal": "演练", "Channels": "频道", "Apps": "应用", "People": "成员",
  "Viewing as": "当前身份", "you": "您", "{n} mentions": "{n} 次提及", "Look through {name}'s eyes": "以 {name} 的身份查看",
  "Channels and people; you are {name}": "频道和成员；您是 {name}", "Live mesh": "实时网格", "Light or dark": "浅色或深色",
  "Switch between light and dark": "切换浅色和深色", "Home": "主页", "Messages the app sends to you alone are here.": "应用只发给您的消息在这里。",
  "Say something, or type /canary to begin.": "说点什么，或输入 /canary 开始。", "This is the very beginning of {place}": "这里是 {place} 的开头",
  "Close thread": "关闭消息列", "thread": "消息列", "Message": "消息", "Message {place}": "发消息到 {place}", "Send": "发送",
  "Send (Enter)": "发送（Enter）", "Commands": "命令", "Start, watch and stop canary releases": "启动、查看和停止金丝雀发布",
  "{command} is not supported in threads. Sorry!": "消息列中不支持 {command}。", "The app did not take your mention.": "应用没有接收您的提及。",
  "Only visible to you": "仅您可见", "(edited)": "（已编辑）", "Shared file": "共享文件", "APP": "应用", "Also sent to the channel": "同时发送到频道",
  "replied to a thread: ": "回复了消息列：", "a message": "一条消息", "{n} reply": "{n} 条回复", "{n} replies": "{n} 条回复",
  "Last reply {day} at {time}": "最后回复：{day} {time}", "Reply in thread": "在消息列中回复", "Today": "今天", "Yesterday": "昨天",
  "just now": "刚刚", "{n} min ago": "{n} 分钟前", "in {n} min": "{n} 分钟后", "Close": "关闭", "Cancel": "取消", "Yes": "是",
  "Are you sure?": "确定吗？", "Nothing here yet": "这里还没有内容", "The app has not published a Home tab for you.": "应用还没有为您发布主页。",
  "The app did not answer ({error}).": "应用没有响应（{error}）。", "The app did not answer. Try again.": "应用没有响应，请重试。",
  "The workspace cannot be reached.": "无法连接工作区。", " (optional)": "（可选）", "Choose…": "请选择…", "More actions": "更多操作",
  "Show {n} more row": "再显示 {n} 行", "Show {n} more rows": "再显示 {n} 行", "Faults: press again to undo": "故障：再按一次撤销",
  "What happened": "经过", "error users saw": "个用户看到的错误", "errors users saw": "个用户看到的错误", "of {n} requests": "共 {n} 个请求",
  "on": "开", "off": "关", "{label}: that did not work": "{label}：未成功", "now": "现在", "{n} min": "{n} 分钟",
  "Answers a second by version": "各版本每秒应答数", "errors": "错误", "none yet": "还没有",
  "Answers a second now: {answers}; errors {n}.": "当前每秒应答数：{answers}；错误 {n}。",
  "▶ start  ✓ approval  ✕ abort  ■ end  ! fault  20: % of users": "▶ 启动  ✓ 批准  ✕ 中止  ■ 结束  ! 故障  20：用户百分比",
  "Setting up a fresh world…": "正在准备全新的环境…", "Reset": "重置", "Heal everything": "全部恢复", "Routes edited by hand": "手动改了路由",
  "Prometheus stopped": "Prometheus 已停止", "Bot killed": "机器人已终止", "Redis killed": "Redis 已终止",
  "Cluster, Redis, workspace and counters end and begin again. It takes about ten seconds.": "集群、Redis、工作区和计数器都会重新开始，大约需要十秒。",
};

// What the server says of the mesh, with names in it.
const PATTERNS = [
  [/^Over: (.*)$/, (_, what) => `已结束：${t(what)}`], [/^All versions fail 30 %$/, () => "所有版本失败 30 %"],
  [/^(\S+) fails 30 %$/, (_, version) => `${version} 失败 30 %`], [/^(\S+) is 400 ms slower$/, (_, version) => `${version} 慢 400 ms`],
  [/^(\S+)'s pods crash$/, (_, version) => `${version} 的 Pod 崩溃`], [/^users on subset (\S+)$/, (_, subset) => `子集 ${subset} 的用户`],
  [/^copies to (\S+)$/, (_, subset) => `到 ${subset} 的镜像请求`], [/^(.*), copies to (\S+)$/, (_, share, subset) => `${share}，镜像到 ${subset}`],
  [/^A rollout begins$/, () => "发布开始"], [/^(\S+) begins$/, (_, version) => `${version} 开始发布`], [/^(\S+) is aborted$/, (_, version) => `${version} 已中止`],
  [/^(\S+) is promoted$/, (_, version) => `${version} 发布完成`], [/^Rolled back to (\S+)$/, (_, version) => `已回滚到 ${version}`],
];

let chinese = false;

/** From now on the page speaks this language: `zh_cn`, or English. */
export function speak(language) {
  chinese = language === "zh_cn";
  document.documentElement.lang = locale();
}

/** What browsers call the language, for times and numbers. */
export const locale = () => (chinese ? "zh-CN" : "en");

/** The words in that language; `{name}` is filled in from `values`. */
export function t(words, values = {}) {
  const found = chinese ? CHINESE[words] ?? matched(words) : words;
  return found.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

function matched(words) {
  const pattern = PATTERNS.find(([one]) => one.test(words));
  return pattern ? words.replace(pattern[0], pattern[1]) : words;
}
