"""What the bot says in Chinese (简体中文): the same sentences as ``en``, written anew, with the same things in them.

Terms are those of Istio's and Kubernetes' Chinese pages; names of API kinds, services, versions and commands stay as
they are. Full-width punctuation, half-width digits, a space before ``%``.
"""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "words.together": "{sentences:sentences}",
    "words.endless": "无限期",
    "words.seconds": "{n} 秒",
    "words.minutes": "{n} 分钟",
    "words.hours": "{n} 小时",
}

ROLLOUT: Mapping[str, str] = {
    # phrases, stages
    "rollout.stage_mirror": "流量镜像",
    "rollout.stage_shift": "{share} 用户流量",
    "rollout.stage_upgrade": "升级主版本",
    "rollout.stage_return": "切回 {share} 用户流量",
    "rollout.stage_watch": "最终观察",
    "rollout.stage_finish": "收尾",
    "rollout.stage_restore": "恢复主版本",
    "rollout.stage_scale_up": "主版本扩容",
    "rollout.stage_home": "切换回主版本",
    "rollout.doing_shift": "将 {share} 的用户流量切到 {version}。",
    "rollout.doing_upgrade": "正在将 {primary} 升级到 {version}，期间所有用户留在金丝雀上。",
    "rollout.doing_return": "{share} 的用户流量已切回 {primary}（现在运行 {version}）。",
    "rollout.doing_join": "{primary} 现在运行 {version}，与金丝雀一起为用户提供服务。",
    "rollout.doing_watch": "所有用户都在 {version} 上，继续观察 {time}。",
    "rollout.doing_last": "所有用户都在 {version} 上。",
    "rollout.doing_restore": "正在恢复 {primary} 的旧镜像。",
    "rollout.doing_scale_up": "等待 {primary} 有足够的 Pod 承载全部用户。",
    "rollout.doing_home": "所有用户正在切换回 {primary}。",
    # phrases, where it is
    "rollout.is_promoted": "已发布完成",
    "rollout.is_aborted": "已中止",
    "rollout.is_refused": "预检未通过",
    "rollout.is_abandoned": "已放弃",
    "rollout.is_checked": "正在预检",
    "rollout.is_halted": "{stage}，已停止",
    "rollout.is_paused": "{stage}，已暂停",
    "rollout.is_on_hold": "{stage}，保持等待",
    "rollout.is_going_back": "回滚中：{stage}",
    "rollout.is_because": "{place}：{why:clause}",
    # phrases, what happened to it
    "rollout.started": "{who} 启动了 {service} {version} 的发布。",
    "rollout.started_with_warnings": "{who} 启动了 {service} {version} 的发布。已知警告：{warnings:sentences}",
    "rollout.aborted": "已在“{stage}”阶段中止。{facts:sentences}",
    "rollout.aborted_by": "{who} 在“{stage}”阶段中止了发布：{facts:sentences}",
    "rollout.taken_back": "已中止。{facts:sentences}",
    "rollout.taken_back_by": "{who} 中止了发布：{facts:sentences}",
    "rollout.users_return": "所有用户正在切换回主版本。",
    "rollout.users_return_later": "用户先留在 {version} 上，待 {primary} 恢复后再切换回去。",
    "rollout.restored_first": "{primary} 恢复之前，不会有用户切换回去。",
    "rollout.abandoned": "{who} 在“{stage}”阶段放弃了发布：{why}。"
    "流量不变：路由和 {primary} 的镜像保持原样。canary-bot 将从 VirtualService {name} 上移除自己的注解。",
    "rollout.accepted": "{who} 接受了现状：所有用户留在 {version}（{canary}）上。{primary} 保持原样，没有用户流量。",
    "rollout.promoted": "{version} 发布完成：所有用户都在升级后的 {primary} 上，用时 {took}。",
    "rollout.promoted_on_canary": "{version} 发布完成：所有用户都在 {canary} 上，用时 {took}。",
    "rollout.home": "中止完成：所有用户都已回到 {primary}。",
    "rollout.home_upgraded": "中止完成：所有用户都在 {primary} 上，但它仍是 {version} 的镜像，请手动改回旧镜像。",
    "rollout.home_with_images": "中止完成：所有用户都在 {primary} 上，使用它现有的镜像（{images}）。"
    "如果不是旧镜像，请手动改回。",
    "rollout.home_with_some_image": "中止完成：所有用户都在 {primary} 上，使用它现有的镜像。如果不是旧镜像，"
    "请手动改回。",
    # phrases, questions and summaries
    "rollout.shift_to": "将 {share} 的用户流量切到 {version}？",
    "rollout.upgrade_to": "将 {primary} 升级到 {version}？",
    "rollout.return_to": "将 {share} 的用户流量切回升级后的 {primary}？",
    "rollout.join": "将用户切回升级后的 {primary}？",
    "rollout.go_on_after": "结束“{stage}”阶段并继续？",
    "rollout.stage_done": "“{stage}”阶段完成。{findings:sentences}",
    "rollout.stage_done_unsure": "“{stage}”阶段完成：未发现问题，但流量太少，无法确定。{findings:sentences}",
    "rollout.stage_left_in_doubt": "“{stage}”阶段结束，但仍有疑问。{findings:sentences}",
    # questions
    "rollout.asked": "{question}{notes:sentences}",
    "rollout.asked_again": "又需要做决定：{question}",
    "rollout.approvals_needed": "需要 {n} 人审批。",
    "rollout.known_warnings": "已知警告（启动时）：{warnings:sentences}",
    "rollout.withdrawn": "不再需要做决定：{why}",
    # decide
    "rollout.refused": "{service} {version} 未启动。{reasons:sentences}",
    "rollout.nothing_to_approve": "{service} 现在不需要审批（{where}）。需要时卡片上会询问。",
    "rollout.not_ones_own": "这次发布是您启动的，须由其他人审批。",
    "rollout.approved_already": "您已经批准过了，现在需要其他人审批。",
    "rollout.approved": "{who} 批准了“{stage}”（已批准 {given} 人，共需 {needed} 人）。",
    "rollout.aborting_already": "{service} 正在中止。",
    "rollout.abandon_needs_reason": "请说明放弃 {service} 的原因，原因会随发布一起保存。",
    "rollout.not_to_be_paused": "{service} 现在不能暂停（{where}）。",
    "rollout.paused_already": "{service} 已经暂停。",
    "rollout.paused": "{who} 在“{stage}”阶段暂停了发布。路由保持不变，指标变差时仍会中止。",
    "rollout.not_paused": "{service} 没有暂停（{where}）。",
    "rollout.resumed": "{who} 在“{stage}”阶段继续了发布。",
    "rollout.nothing_to_restore": "{service} 的配置没有被他人修改，无需决定。",
    "rollout.retried": "{who} 重试“{stage}”阶段。",
    "rollout.users_on_both": "两个版本上都有用户，不能就此保留。请重试或中止。",
    "rollout.halted_and_bad": "{version} 承载着全部用户，现在状态变差。{why}这里不会自动切换流量：请中止，或进行修复。",
    "rollout.halted_and_good": "{version} 已恢复正常。发布仍处于停止状态。",
    "rollout.upgraded_unawares": "{primary} 已经是 {version} 的镜像，恢复之前不会有用户切换回去。",
    "rollout.nobody_approved": "{time}内无人批准“{stage}”。",
    "rollout.waits_for_approval": "{why}在有人批准或中止之前，路由保持不变。",
    "rollout.has_ended": "{service} {version} 的发布已结束（{how}）。",
    "rollout.not_halted": "{service} 没有停止（{where}）。",
    # transitions
    "rollout.no_such_step": "{service} 不能从 {there} 转到 {then}。",
    # holds
    "rollout.holding": "{why}保持在“{stage}”阶段。",
    "rollout.way_back_holds": "{why}回滚停在“{stage}”阶段等待。",
    "rollout.holding_again": "{why}再次保持在“{stage}”阶段。",
    "rollout.holding_until_calm": "{why}再次保持在“{stage}”阶段，直到问题消失满 {calm}。",
    "rollout.still_holding": "{why}在“{stage}”阶段已保持 {lasted}，请检查。",
    "rollout.hold_over": "保持 {lasted}后结束，“{stage}”阶段继续。",
    "rollout.hold_over_mirror": "保持 {lasted}后结束，流量镜像继续。",
    # obstacles
    "rollout.virtual_service": "VirtualService {name}",
    "rollout.deployment": "Deployment {name}",
    "rollout.either": "{one} 或 {other}",
    "rollout.write_turned_down": "{why}canary-bot 会继续重试。",
    "rollout.write_fails": "无法为“{stage}”阶段写入 VirtualService {name}。canary-bot 会继续重试。",
    "rollout.route_gone": "VirtualService {name} 已不存在，流量不变。",
    "rollout.abandon_ends": "用 {command} 结束这次发布。",
    "rollout.api_unreadable": "无法读取 Kubernetes API，路由保持不变。",
    "rollout.unreadable": "无法读取 {what}，路由保持不变。",
    "rollout.may_not_read": "canary-bot 没有权限读取 {what}，路由保持不变。",
    "rollout.partly_missing": "无法读取 {what}，因为其中一部分不存在。路由保持不变。",
    "rollout.read_timed_out": "无法读取 {what}：API 服务器没有及时响应。路由保持不变。",
    # compare
    "rollout.canary_unseen": "现在看不到 {name}，因此不缩容。",
    "rollout.no_ready_pod": "{name} 没有就绪的 Pod。",
    "rollout.receiver_unseen": "看不到 {name} 的 Pod，因此不向那里切流量。",
    "rollout.not_restored": "{name} 尚未恢复（{wanted} 个 Pod 中 {ready} 个就绪）。",
    "rollout.not_upgraded": "{name} 尚未升级完成（{wanted} 个 Pod 中 {ready} 个就绪）。",
    "rollout.too_few_pods": "{share} 的用户流量需要 {needed} 个就绪的 Pod，{name} 只有 {ready} 个。",
    "rollout.users_unseen": "无法确认 {name} 上是否有用户，因此其镜像保持不变。",
    "rollout.nobody_keeps_users": "{name} 没有就绪的 Pod，期间无法承载用户。",
    # plans
    "rollout.weights_whole": "权重应为 1 到 100 的整数百分比，不能是 {weights}。",
    "rollout.weights_rise": "权重必须递增，这些不是：{weights}。",
    "rollout.weights_end": "最后一个权重必须是 100，这样替换主版本时它上面没有用户。",
    "rollout.no_auto": "{service} 不能用 {option} 启动：须由其他人审批。在 services.yaml 中设置 {setting} 后才可以。",
    # deadman
    "rollout.watchdog_home": "canary-bot 失联 {silence}，看门狗已将所有用户切换回 {primary}（{at}）。",
    "rollout.watchdog_mirror": "canary-bot 失联 {silence}，看门狗已停止向 {canary} 镜像流量（{at}）。",
    "rollout.watchdog_kept": "canary-bot 失联 {silence}，看门狗让所有用户留在 {canary} 上（{at}）。",
    "rollout.watchdog_canary": "canary-bot 失联 {silence}，看门狗已将所有用户切到 {canary}（{at}）。",
    "rollout.left_at_home": "所有用户都在 {primary} 上，因此未做改动。canary-bot 已失联 {silence}。",
    "rollout.left_as_it_is": "需要人工决定：canary-bot 已失联 {silence}。"
    "对用户来说，{primary} 和 {canary} 都不比现状更好，因此未做改动。",
    # drift, what is otherwise
    "rollout.nothing_there": "无",
    "rollout.there": "存在",
    "rollout.split": "流量分配",
    "rollout.owner": "发布注解",
    "rollout.annotations": "canary-bot 的注解",
    "rollout.routes_because": "其他配置（{why:clause}）",
    "rollout.other_routes": "其他配置",
    "rollout.mirroring": "流量镜像",
    "rollout.switched_on": "开启",
    "rollout.switched_off": "关闭",
    "rollout.the_first": "启动时的那个",
    "rollout.another": "另一个同名对象",
    "rollout.image": "镜像",
    "rollout.image_of": "{container} 的镜像",
    "rollout.pod_labels": "Pod 标签",
    "rollout.as_recorded": "启动时的标签",
    "rollout.others": "其他标签",
    "rollout.digest_of": "{name} 的 Pod 实际运行的镜像",
    "rollout.difference": "{what} {before} → {after}",
    # drift, what is said about it
    "rollout.writer_at": "{who}，{at}",
    "rollout.edited": "{thing} 被他人修改：{changes}。",
    "rollout.edited_by": "{thing} 被他人修改（{who}）：{changes}。",
    "rollout.split_edited": "{name} 的流量分配被他人修改：{ours} → {theirs}。",
    "rollout.split_edited_by": "{name} 的流量分配被他人修改（{who}）：{ours} → {theirs}。",
    "rollout.removed": "{thing} 被他人删除。",
    "rollout.annotations_removed": "{thing} 上 canary-bot 的注解被他人删除。",
    "rollout.changed_again": "canary-bot 已恢复 {times} 次，{who} 又改了回去。",
    "rollout.is_a_tool": "{who} 是 {tool}。{rules}",
    "rollout.may_be_a_tool": "如果 {who} 是自动化工具，请让它在发布期间不要改动该对象。",
    "rollout.drift": "{facts:sentences}",
    "rollout.choices": "“恢复”会还原我们的配置，“保持”会保留改动并等待，“中止”会将所有用户切换回去。",
    "rollout.choices_of_split": "“恢复”会还原为 {ours}，“保持”会保留 {theirs} 并等待，“中止”会将所有用户切换回去。",
    "rollout.choices_without_restore": "“保持”会保留改动并等待，“中止”会将所有用户切换回去。",
    "rollout.not_restorable": "canary-bot 无法还原：它上面有用户，或者已经是另一个对象。",
    "rollout.without_answer": "{time}内无人答复时，{default}。",
    "rollout.will_abort": "发布将中止",
    "rollout.will_restore": "将还原我们的配置",
    "rollout.will_hold": "将保留改动，发布继续等待",
    "rollout.nobody_chose": "{time}内无人做出选择。",
    "rollout.theirs_kept_already": "{service} 已经保留了该改动并在等待。",
    "rollout.theirs_kept": "{why}改动保留（{changes}）。在撤销、恢复或中止之前，发布会一直等待。",
    "rollout.theirs_kept_by": "{who} 保留了改动（{changes}）。在撤销、恢复或中止之前，发布会一直等待。",
    "rollout.cannot_restore": "canary-bot 无法恢复 {things}。请手动撤销改动，或选择保持、中止。",
    "rollout.restored": "{why}正在还原：{changes}。",
    "rollout.restored_by": "{who} 选择还原：{changes}。",
    "rollout.undone": "改动在 {lasted}后已撤销，“{stage}”阶段继续。",
    # pods
    "rollout.users": "{share} 的用户流量",
    "rollout.mirrored_requests": "镜像请求",
    "rollout.other_image": "{name} 有 {n} 个就绪的 Pod 运行的镜像与 Deployment 要求的不同，它承载着{load}。",
    "rollout.stuck": "{name} 卡住了：新 Pod 无法启动（{why}）。",
    "rollout.stuck_uncreated": "{name} 卡住了：不允许创建新 Pod（{why}）。",
    "rollout.stuck_pull": "{name} 卡住了：新 Pod 无法拉取镜像（{why}）。",
    "rollout.stuck_crashing": "{name} 卡住了：新 Pod 反复崩溃（重启 {n} 次）。",
    "rollout.stuck_unscheduled": "{name} 卡住了：没有节点可以调度新 Pod（{why}）。",
    "rollout.edited_routes_strand": "{name} 没有就绪的 Pod，而路由被他人修改，可能正把用户引向那里。",
    "rollout.stranded": "{share} 的用户流量在 {name} 上，而它没有就绪的 Pod。",
    "rollout.crash_loop": "{name} 反复崩溃，期间承载着{load}：{why}。",
    "rollout.out_of_memory": "{name} 内存不足被终止（OOMKilled），期间承载着{load}：{why}。",
    "rollout.restarted": "{name} 发生重启，期间承载着{load}：{why}。",
    "rollout.restarts": "“{stage}”阶段开始以来，{pods} 个 Pod 中的 {containers} 重启 {n} 次",
    "rollout.restarts_for": "“{stage}”阶段开始以来，{pods} 个 Pod 中的 {containers} 重启 {n} 次，最近原因为 {reasons}",
    "rollout.cannot_start": "{name} 有 {pods} 个 Pod 无法启动：{reasons}。",
    "rollout.too_few_pods_for": "{share} 的用户流量需要 {needed} 个就绪的 Pod，{name} 只有 {ready} 个，已持续 "
    "{lasted}。",
    "rollout.wants_fewer": "{name} 只要求 {n} 个 Pod，启动时由 {load} 个承载 {share} 的用户流量。",
    # retreat
    "rollout.ended": "{facts:sentences}",
    "rollout.ended_without_route": "中止完成：VirtualService {name} 已不存在，无法再切换流量。",
    "rollout.image_unknown": "请检查 {primary} 的镜像：可能是 {version} 的。",
    "rollout.image_left": "{primary} 是 {version} 的镜像，请手动改回旧镜像。",
    "rollout.orphaned": "{primary} 和 {canary} 都已不存在，因此只还原路由。",
    "rollout.canary_gone": "{canary} 没有就绪的 Pod，用户将切到现状下的 {primary}。它的镜像可能需要手动恢复。",
    "rollout.canary_gone_restoring": "{canary} 没有就绪的 Pod，用户将切到仍在恢复中的 {primary}。",
    "rollout.canary_back": "{canary} 已重新就绪，在 {primary} 恢复之前由它承载用户。",
    "rollout.makes_room": "{facts:sentences}",
    "rollout.too_few_for_all": "承载全部用户需要 {needed} 个就绪的 Pod，{primary} 只有 {ready} 个。",
    "rollout.scaled_first": "先从 {wanted} 个扩容到 {needed} 个。",
    "rollout.nobody_served": "{canary} 也没有就绪的 Pod，在此之前无法为任何用户提供服务。",
    "rollout.users_stay_until_then": "在此之前，所有用户留在 {version}（{canary}）上。",
    "rollout.users_go_until_then": "在此之前，所有用户先切到 {version}（{canary}）。",
    "rollout.grows": "{primary} 只要求 {n} 个 Pod，而承载全部用户需要 {needed} 个，正在同时扩容。",
    "rollout.return_anyway": "{time}内 {primary} 的 {needed} 个 Pod 中只有 {ready} 个就绪，用户仍然切换回去。",
    "rollout.not_scaled": "{time}内未能将 {primary} 扩容到 {needed} 个 Pod，它只要求 {wanted} 个。请检查。",
    "rollout.no_pod_in_time": "{time}内 {primary} 没有就绪的 Pod。",
    "rollout.pods_ready": "{name}：{wanted} 个 Pod 中 {ready} 个就绪",
    "rollout.halted_without_primary": "{why}用户仍在原处（{canary}）。请让 {primary} 就绪后重试，或接受现状。",
    "rollout.stuck_meanwhile": "{why}用户留在 {version} 上。",
    "rollout.upgrade_failed": "{primary} 无法升级。",
    "rollout.restore_failed": "{primary} 无法恢复。",
    "rollout.not_ready_in_time": "{time}内未能就绪。",
    "rollout.halted": "{why}所有用户留在 {version} 上（{canary}）。请重试、中止（先恢复旧镜像再切换用户），"
    "或接受现状。",
}

ANALYSIS: Mapping[str, str] = {}

PREFLIGHT: Mapping[str, str] = {
    # workloads
    "preflight.paused": "{name} 已暂停，新的 Pod 模板不会生效。",
    "preflight.resume_it": "用 {command} 恢复。",
    "preflight.just_changed": "{name} 刚刚被修改，Kubernetes 尚未处理。",
    "preflight.try_again_soon": "请几秒后重试。",
    "preflight.no_progress": "{name} 卡住了：在 {field} 规定的时间内没有进展。",
    "preflight.see_why": "原因见 {command}。",
    "preflight.see_why_pods": "原因见 {command} 及其 Pod 的事件。",
    "preflight.pods_not_created": "{name} 无法创建全部 Pod：{why}。",
    "preflight.make_room": "请先腾出余量（配额、LimitRange 或拒绝 Pod 的策略），再重新启动。",
    "preflight.no_probe": "{name} 的容器 {container} 没有就绪探针，Pod 一启动就会收到用户流量。",
    "preflight.add_probe": "请为该容器添加 {field}。",
    "preflight.container_waits": "{name} 的 Pod {pod} 中容器 {container} 在等待：{why}。",
    "preflight.restarted": "{name} 的容器重启过 {n} 次。",
    "preflight.restarted_because": "{name} 的容器重启过 {n} 次（{reasons}{last}）。",
    "preflight.last_at": "，最近一次在 {last}",
    "preflight.see_logs": "在用户依赖它之前请先查看日志：{command}。",
    "preflight.no_history": "{name} 不保留旧的 ReplicaSet（{field}）。",
    "preflight.keep_history": "中止不受影响，但 {command} 无法使用：请设置 {field}。",
    "preflight.deadline_late": "{name} 的 {field}（{deadline}）比 {setting}（{patience}）长。",
    "preflight.shorten_deadline": "请让 {field} 更短，否则升级卡住时只有 {setting} 能发现。",
    "preflight.recreates": "{name} 的更新策略是 {strategy}，升级期间没有任何 Pod。",
    "preflight.roll_instead": "不经过 VirtualService 的调用方会失败。请设置 {fields}。",
    # sidecars
    "preflight.ambient": "{name} 在 Ambient 网格中且没有 Sidecar，发给它的镜像请求无处计数。",
    "preflight.give_sidecar": "请为它注入 Sidecar，或用应用自身的指标检查（{setting}）。",
    "preflight.no_sidecar": "{name} 的 Pod 都没有 Sidecar（{container}），请求无处计数。",
    "preflight.sidecar_off": "{name} 设置了 {label}，请求无处计数。",
    "preflight.inject_sidecar": "用 {command}（或对应修订版本的标签）开启注入，然后重启该 Deployment。",
    "preflight.some_without_sidecar": "{name} 的 {pods} 个就绪 Pod 中有 {n} 个没有 Sidecar（{container}），"
    "发给它们的请求无处计数。",
    "preflight.delete_those": "用 {command} 重建这 {n} 个 Pod。",
    "preflight.sidecar_not_ready": "{name} 的 {pods} 个 Pod 中有 {n} 个的 Sidecar 未就绪。",
    "preflight.see_proxies": "用 {command} 查看它是否已收到配置。",
    "preflight.sidecar_unknown": "看不到 {name} 的就绪 Pod，无法确定是否有 Sidecar。",
    "preflight.without_sidecar": "没有 Sidecar 就没有请求计数，镜像阶段会一直等不到指标。",
    "preflight.custom_gates_only": "只有自定义检查可以评估它。{remedy}",
    # policies
    "preflight.policy_of_one": "{policy} 只作用于 {name} 的 Pod，不作用于 {other} 的 Pod。",
    "preflight.select_both": "{reading}。请用两者共有的标签选择，或接受这一点。",
    "preflight.one_side_forbids": "调用方（包括网关）可能只在一侧得到 403，而检查不把它算作错误",
    "preflight.one_side_plain": "不使用双向 TLS 的调用方可能只在一侧被允许",
    "preflight.one_side_reaches": "两侧可访问的服务或可被访问的端口可能不同",
    "preflight.one_side_other": "两侧受到的管控不同",
    # image_pull
    "preflight.other_registry": "{canary} 的镜像来自 {after}，而 {primary} 的来自 {before}。",
    "preflight.try_pull": "{primary} 所在节点可能无权从那里拉取镜像：请先用它的 ServiceAccount 启动一个 Pod 试试。",
    "preflight.pull_secret": "{canary} 用 Secret {secrets} 拉取镜像，{primary} 没有它。",
    "preflight.add_secret": "请在其 Pod 模板中添加 {fields}，否则升级会以 ImagePullBackOff 失败。",
    "preflight.other_account": "{canary} 使用 ServiceAccount {after}，而 {primary} 使用 {before}。",
    "preflight.same_account": "拉取凭据和权限随 ServiceAccount 而定："
    "请让两者都使用 {field}，或确认主版本的账户权限相同。",
    # quotas
    "preflight.quota_used": "{what}：{used}，上限 {hard}",
    "preflight.quota_full": "ResourceQuota {quota} 容不下升级 {primary} 时先行启动的 {n} 个 Pod（{used}）。",
    "preflight.raise_quota": "请提高配额或设置 {field}，否则升级会在所有用户都在金丝雀上时卡住。",
    "preflight.no_eviction": "PodDisruptionBudget {budget} 现在不允许驱逐 {name} 的任何 Pod。",
    "preflight.drain_none": "发布期间请不要排空节点，或让该预算留出一个 Pod 的余量。",
    "preflight.one_budget": "PodDisruptionBudget {budget} 把 {name} 和 {other} 的 Pod 算在一起。",
    "preflight.own_budgets": "排空节点可能带走承载用户一侧的全部 Pod：请为两侧各设一个预算。",
}

CLUSTER: Mapping[str, str] = {}

CONTROLLER: Mapping[str, str] = {
    # abandoning
    "controller.annotations_stay": "VirtualService {name} 上仍有 canary-bot 的注解：{why}"
    "可用 {command} 重试。在此之前，看门狗可能会把用户切到安全的一侧。",
    "controller.nothing_to_abandon": "没有可放弃的发布：{service} 没有进行中的发布，VirtualService {name} "
    "上也没有发布的注解。",
    "controller.annotations_in_use": "{service} 没有进行中的发布。"
    "VirtualService {name} 上的注解属于 {other} 正在进行的发布 {owner}。",
    "controller.another_bots": "VirtualService {name} 上的注解属于另一个 canary-bot（使用自己的 Redis）的发布 "
    "{owner}。请在那里结束它。",
    "controller.annotations_go": "{who} 让发布 {owner} 的注解从 VirtualService {name} 上移除：{why}。",
    # adoption
    "controller.image_never_had": "VirtualService {name} 带有发布 {owner} 的注解，其中写明 {primary} 的镜像为 {image}。"
    "它的 ReplicaSet 都没有用过该镜像，因此不予采用。请手动设置路由，再用 {command} 移除注解。",
    "controller.primary_changed_since": "VirtualService {name} 带有已结束的发布 {owner} 的注解。"
    "{primary} 此后已有变化，因此不向它切换用户。请手动设置路由，再用 {command} 移除注解。",
    "controller.state_lost": "Redis 丢失了这次发布的记录，已改用它的注解。",
    "controller.record_unreadable": "发布 {owner} 的记录无法读取，已改用它的注解。",
    "controller.annotations_back": "发布 {owner} 已结束，但有人把它的注解放了回来。",
    "controller.lost": "Redis 丢失了这次发布的记录。已根据 VirtualService {name} 上的注解找回，并为安全起见结束它。",
    # claims
    "controller.no_annotations": "VirtualService {name} 上没有说明原状的注解。",
    "controller.bare_annotation": "VirtualService {name} 属于发布 {owner}，但没有说明原状。",
    "controller.nobody_knows_home": "因此中止无法将用户切换回去。请手动设置路由，再用 {command} "
    "结束发布（不移动用户）。",
    "controller.annotations_live": "VirtualService {name} 带有发布 {owner} 的注解，该发布属于 {other}，正在进行。"
    "{service} 自己没有发布，在它结束之前也不能启动。{command}",
    "controller.annotations_of_other": "VirtualService {name} 带有发布 {owner} 的注解，"
    "它针对 Deployment {primary}，而不是 {ours}。须由发布该 Deployment 的人结束它。{service} 自己没有发布。",
    "controller.annotations_odd": "VirtualService {name} 带有发布 {owner} 的注解，其中的{odd}"
    "与 services.yaml 中 {service} 的配置不符。可能是他人写入，或文件已被修改。不会据此写入任何内容。"
    "请手动设置路由，再用 {command} 移除注解。",
    "controller.annotations_alive": "VirtualService {name} 带有发布 {owner} 的注解，"
    "由另一个使用自己 Redis 的 canary-bot 运行：请在那里结束它。"
    "它失联一段时间后，这里可以用 {command}。{service} 在这个 Redis 中没有发布。",
    "controller.a_deployment": "Deployment {name}",
    "controller.a_namespace": "命名空间 {name}",
    "controller.a_virtual_service": "VirtualService {name}",
    "controller.a_place": "VirtualService 的命名空间 {name}",
    "controller.a_destination_rule": "DestinationRule {name}",
    "controller.a_host": "主机 {name}",
    "controller.a_canary": "金丝雀 Deployment {name}",
    "controller.a_route": "http 路由 {name}",
    "controller.held": "{name} 仍带有发布 {owner} 的注解。",
    "controller.held_bare": "{name} 仍带有发布 {owner} 的注解。用 {abandon} 移除。",
    "controller.held_by_ended": "{name} 仍带有已结束的发布 {owner} 的注解。"
    "{abandon} 只移除注解、不移动用户，{abort} 会先将所有用户切换回去。",
    "controller.held_by_lost": "{name} 仍带有发布 {owner} 的注解。用 {command} 清理。",
    # controller
    "controller.not_started": "{service} {version} 未启动，没有任何改动。",
    "controller.changing_too_fast": "中 {service} 变化太快，无法修改。请重试。",
    "controller.long_over": "那次发布早已结束。请使用最新卡片上的按钮。",
    "controller.no_rollout": "{service} 没有发布。用 {command} 启动。",
    "controller.freeze_changed": "{what}的冻结刚刚发生变化。请先查看 {command}，再重试。",
    "controller.nobody_watches": "canary-bot 无法监控这次发布：{why}用户留在原处。"
    "{command} 会将用户切到健康的一侧。详情见机器人的日志。",
    "controller.aborted_at_once": "{service} {version} 已立即中止，没有移动任何用户。",
    "controller.already_rolling_out": "{version} 正在发布中（{where}）。{command}",
    # decisions
    "controller.not_my_button": "这个按钮已失效。请使用该发布的最新卡片。",
    "controller.earlier_rollout": "它属于更早的发布：{service} {version} 已结束（{how}）。请使用最新卡片上的按钮。",
    "controller.out_of_date": "这个按钮已过期：发布已有新进展。请使用卡片上的新按钮。",
    "controller.no_reason": "未说明原因。",
    # edges
    "controller.could_not": "无法{doing}：{why}",
    "controller.internal_error": "内部错误（{error}）。",
    "controller.doing_beat": "更新 {service} 的心跳",
    "controller.doing_quiet": "结束 {service} 的心跳",
    "controller.doing_observe": "查看集群中的 {service}",
    "controller.doing_read": "读取指标",
    "controller.doing_judge": "分析 {service}",
    "controller.doing_adopt": "查找 {service} 丢失的发布",
    "controller.doing_tell": "通知 {service} 的相关人员",
    "controller.doing_reconcile": "推进 {service} 的发布",
    "controller.doing_write": "写入 {service} 所需的配置",
    "controller.doing_look": "查看 VirtualService {name}",
    "controller.doing_watch": "声明命名空间 {namespace} 受看门狗监控",
    # forgotten
    "controller.readable_after_all": "中 {service} 的发布其实可以读取。请重试。",
    "controller.nobody_watches_lost": "canary-bot 无法监控 {service} 的发布 {rollout}：Redis {why}用户留在原处。"
    "{command} 会根据 VirtualService {name} 上的注解将用户切换回去。",
    "controller.nothing_left_behind": "那次发布早已结束，没有留下任何内容。",
    # leadership, names, observe
    "controller.only_listens": "已将租约交给另一个副本，或无法续租。本副本只接收消息。",
    "controller.several_services": "有多个服务名为 {name}。请指明：{keys:or}。",
    "controller.only_live": "{name} 没有进行中的发布，也没有其他已知的服务：{trouble}",
    "controller.no_services": "services.yaml 中没有任何服务，也没有 {name}。",
    "controller.no_such_service": "services.yaml 中没有服务 {name}。已知：{known}。",
    "controller.prometheus_unasked": "无法查询 Prometheus：{why}",
    # rivals
    "controller.deployment_in_use": "{service} 有一个进行中的发布正在使用 {names}（{version}，{where}）。"
    "一个 Deployment 同时只能参与一次发布。{command}",
    "controller.primary_of_other": "{name} 是 {other} 的主版本，不能作为 {service} 的金丝雀。",
    "controller.promoted_since": "{name} 现在是 {other} {version} 此后发布的内容，不会改回。用 {command} "
    "结束这次发布。",
    # start
    "controller.warning": "警告：{text}",
    "controller.stops_a_start": "阻止启动：{reason}",
    "controller.freeze_unknown": "无法得知 {service} 是否被冻结：{system} {why}",
    "controller.room_unknown": "无法得知卡片能否发到 {channel}：{system} {why}",
    "controller.nobody_told": "没有人会收到通知。{why}",
    "controller.past_unknown": "{name} 过去的指标未知（Prometheus {why:clause}）。"
    "因此不考虑突发错误，也不检查镜像是否影响主版本。",
    "controller.admission_warns": "API 服务器接受这些路由，但有警告：{text:clause}。",
    "controller.no_plan": "无法制定 {service} {version} 的计划：{why}",
    "controller.routes": "{primary} {old}、{canary} {new}",
    "controller.plan_upgrade": "{primary} 换用 {images}。在它的 Pod 就绪之前，用户留在金丝雀上。",
    "controller.plan_finish": "最终路由：{routes}。",
    "controller.plan_mirror": "用户流量：{routes}。镜像 {share} 的请求，至少 {time}。",
    "controller.plan_step": "用户流量：{routes}，至少 {time}。",
    "controller.then_people_approve": "之后由人审批。",
    # watchdog
    "controller.forged_place": "VirtualService {name} 的注解中的{odd}与 services.yaml 不符。注解由他人写入，"
    "不会据此移动用户。",
    "controller.forged_image": "VirtualService {name} 的注解写明镜像 {image}，而 {primary} 从未用过。"
    "注解由他人写入，不会据此移动用户。",
    "controller.rescue_failed": "看门狗无法将用户切到安全的一侧。{why}",
    # the model, freezes and images
    "controller.all_services": "所有服务",
    "controller.frozen": "{name} 自 {since} 起被 {who} 冻结发布，直到有人解除：{reason:clause}。",
    "controller.frozen_until": "{name} 自 {since} 起被 {who} 冻结发布，至 {until}：{reason:clause}。",
    "controller.all_frozen": "所有服务自 {since} 起被 {who} 冻结发布，直到有人解除：{reason:clause}。",
    "controller.all_frozen_until": "所有服务自 {since} 起被 {who} 冻结发布，至 {until}：{reason:clause}。",
    "controller.different_images": "金丝雀的 Pod 在 {image} 下运行着不同的镜像：{digests}。",
}

ADAPTERS: Mapping[str, str] = {
    "adapters.no_istio_series": (
        "没有 `istio_requests_total` 序列，因此无法判断。请确认 Prometheus 在抓取网格的代理，并且代理已经收到过请求。"
    ),
    "adapters.watchdog_silent": "命名空间 {namespace} 的看门狗已有 {silence} 没有消息，请确认它在运行。",
    "adapters.watchdog_limit": (
        "DEAD_MAN_SECONDS 在这里是 {ours}，在命名空间 {namespace} 的看门狗上是 {theirs}，"
        "看门狗按较长的一个动作。请将两处设为相同的值。"
    ),
    "adapters.watchdog_unreadable": "{why}canary-bot 的 Role 需要对它的 `get` 权限。",
    "adapters.and_more": "另有 {n} 条，`canary-bot check` 会全部列出。",
}

SLACK: Mapping[str, str] = {}

CLI: Mapping[str, str] = {}

SETTINGS: Mapping[str, str] = {}

SENTENCES: Mapping[str, str] = {
    **WORDS,
    **ROLLOUT,
    **ANALYSIS,
    **PREFLIGHT,
    **CLUSTER,
    **CONTROLLER,
    **ADAPTERS,
    **SLACK,
    **CLI,
    **SETTINGS,
}
