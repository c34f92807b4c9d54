"""What is said by who carries rollouts out, in Chinese."""

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    # abandoning
    "controller.annotations_stay": "VirtualService {name} 上仍有 canary-bot 的注解：{why}"
    "可用 {command} 重试。在此之前，看门狗可能会把用户切到安全的一侧。",
    "controller.nothing_to_abandon": "没有可放弃的发布：{service} 没有进行中的发布，VirtualService {name} "
    "上也没有发布的注解。",
    "controller.annotations_in_use": "{service} 没有进行中的发布。"
    "VirtualService {name} 上的注解属于 {other} 正在进行的发布 {owner}。",
    "controller.another_bots": "VirtualService {name} 上的注解属于另一个 canary-bot（使用自己的 Redis）的发布 "
    "{owner}。请在那里结束它。",
    "controller.annotations_go": "{who} 从 VirtualService {name} 上移除了发布 {owner} 的注解：{why}。",
    # adoption
    "controller.image_never_had": "VirtualService {name} 带有发布 {owner} 的注解，其中写明 {primary} 的镜像为 {image}。"
    "它的 ReplicaSet 都没有用过该镜像，因此不予采用。请手动设置路由，再用 {command} 移除注解。",
    "controller.primary_changed_since": "VirtualService {name} 带有已结束的发布 {owner} 的注解。"
    "{primary} 此后已有变化，因此不向它切换用户。请手动设置路由，再用 {command} 移除注解。",
    "controller.state_lost": "Redis 丢失了这次发布的记录，已改用它的注解。",
    "controller.record_unreadable": "发布 {owner} 的记录无法读取，已改用它的注解。",
    "controller.annotations_back": "发布 {owner} 已结束，但有人又写回了它的注解。",
    "controller.lost": "Redis 丢失了这次发布的记录。已根据 VirtualService {name} 上的注解找回，并为安全起见结束它。",
    # adoptable
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
    "controller.changing_too_fast": "{service} 的记录变化太快，无法修改。请重试。",
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
    "controller.changed_since": "{why}因此会重新询问：请再看一遍卡片。",
    "controller.question_withdrawn": "该问题已撤回：{why}",
    "controller.question_gone": "该问题已撤回（{where}）。",
    "controller.question_changed": "您查看之后情况有变，请再看一遍。现在的问题是：{question}",
    "controller.out_of_date": "您查看之后发布已有新进展（{where}）。",
    "controller.no_reason": "未说明原因。",
    # containment
    "controller.could_not": "无法{doing}：{why}",
    "controller.internal_error": "内部错误（{error}）。",
    "controller.doing_beat": "更新 {service} 的心跳",
    "controller.doing_quiet": "结束 {service} 的心跳",
    "controller.doing_observe": "查看集群中的 {service}",
    "controller.doing_read": "读取指标",
    "controller.doing_judge": "分析 {service}",
    "controller.doing_adopt": "查找 {service} 丢失的发布",
    "controller.doing_tell": "通知 {service} 的相关人员",
    "controller.doing_webhook": "调用 webhook {name}",
    "controller.doing_reconcile": "推进 {service} 的发布",
    "controller.doing_write": "写入 {service} 所需的配置",
    "controller.doing_look": "查看 VirtualService {name}",
    "controller.doing_watch": "声明命名空间 {namespace} 受看门狗监控",
    # forgotten
    "controller.readable_after_all": "{service} 的发布现在可以读取了。请重试。",
    "controller.nobody_watches_lost": "canary-bot 无法监控 {service} 的发布 {rollout}：Redis {why}用户留在原处。"
    "{command} 会根据 VirtualService {name} 上的注解将用户切换回去。",
    "controller.nothing_left_behind": "那次发布早已结束，没有留下任何内容。",
    # leadership, names, observe
    "controller.only_listens": "已将租约交给另一个副本，或无法续租。本副本只接收消息。",
    "controller.several_services": "有多个服务名为 {name}。请指明：{keys:or}。",
    "controller.only_live": "{name} 没有进行中的发布，也没有其他已知的服务。{trouble}",
    "controller.no_services": "services.yaml 中没有任何服务，也没有 {name}。",
    "controller.no_such_service": "services.yaml 中没有服务 {name}。已知：{known}。",
    "controller.prometheus_unasked": "无法查询 Prometheus：{why}",
    # rivals
    "controller.deployment_in_use": "{service} 有一个进行中的发布正在使用 {names}（{version}，{where}）。"
    "一个 Deployment 同时只能参与一次发布。{command}",
    "controller.primary_of_other": "{name} 是 {other} 的主版本，不能作为 {service} 的金丝雀。",
    "controller.promoted_since": "{name} 现在是 {other} {version} 此后发布的内容，不会改回。用 {command} "
    "结束这次发布。",
    # rollback
    "controller.rollback_nothing": "{service} 没有可以回滚的发布。",
    "controller.rollback_not_promoted": "{service} 的上一次发布没有完成（{how}），因此没有可以回滚的内容。",
    "controller.rollback_other_way": "{service} {version} 并不是通过在原子集中升级 {primary} 完成发布的。"
    "请将旧版本作为金丝雀重新发布。",
    "controller.rollback_already": "{service} 已经回滚到 {version}。",
    "controller.rollback_too_late": "{service} {version} 完成发布已超过 {limit}。请将旧版本作为金丝雀重新发布。",
    "controller.rollback_refused": "{service} 无法回滚到 {version}。没有做任何更改。",
    "controller.rollback_no_canary": "{canary} 只有 {ready} 个就绪的 Pod，而承载所有用户需要 {needed} 个。"
    "请先扩容再重试。",
    "controller.rollback_other_canary": "{canary} 运行的已不是 {version}，用户无法暂时留在那里。",
    "controller.rollback_primary_changed": "{version} 完成发布后，{primary} 又有了改动。",
    "controller.rollback_image_gone": "{primary} 的 ReplicaSet 中没有镜像 {image}，因此不会回滚到该镜像。",
    "controller.rollback_routes": "VirtualService {name} 的路由与发布完成时不同。",
    "controller.rollback_live": "{version} 仍在发布中。{command} 会将所有用户切回。",
    "controller.rollback_abort": "在最后观察阶段回滚。",
    "controller.no_drill": "{service} 没有标记为可以演练。请在 services.yaml 中为它写上 {key}，然后重试。",
    # retrying
    "controller.retry_nothing": "{service} 没有可以重试的发布。请输入 {command}。",
    "controller.retry_not_aborted": "只能重试已中止的发布，而 {service} 的上一次发布不是（{how}）。请输入 {command}。",
    "controller.retry_rollback": "回滚到 {version}",
    "controller.retry_too_old": "{service} {version} 中止已超过 {limit}，当时通过的阶段不再算数。请输入 {command}。",
    "controller.retry_none_passed": "{service} {version} 中止前没有通过任何阶段，没有可跳过的阶段。请输入 {command}。",
    "controller.retry_elsewhere": "{service} {version} 不能从 {stage} 重试。请输入 {commands:or}。",
    "controller.retry_other": "{service} {version} 已不是中止时的内容，因此要全部重新检验。没有做任何更改。"
    "请输入 {command}。",
    "controller.retry_other_image": "{name} 现在的镜像与中止前不同。",
    "controller.retry_no_digest": "{name} 的 Pod 没有显示所运行镜像的摘要。",
    # start
    "controller.warning": "警告：{text}",
    "controller.stops_a_start": "阻止启动：{reason}",
    "controller.freeze_unknown": "无法得知 {service} 是否被冻结：{system} {why}",
    "controller.room_unknown": "无法得知卡片能否发到 {channel}：{system} {why}",
    "controller.nobody_told": "没有人会收到通知。{why}",
    "controller.past_unknown": "{name} 过去的指标未知（Prometheus {why:clause}）。"
    "因此不考虑突发错误，也不检查镜像是否影响主版本。",
    "controller.admission_warns": "API 服务器接受这些路由，但有警告：{text:clause}。",
    "controller.no_plan": "无法制定 {service} {version} 的计划。",
    "controller.routes": "{primary} {old}、{canary} {new}",
    "controller.plan_upgrade": "{primary} 换用 {images}。在它的 Pod 就绪之前，用户留在金丝雀上。",
    "controller.plan_git": "请求在 Git 中将 {primary} 更新为 {images}，等待期间用户流量留在金丝雀版本上。",
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
    "controller.system_says": "{system} {why}",
}
