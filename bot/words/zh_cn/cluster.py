"""What is said of objects of the cluster, in Chinese."""

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "cluster.route_without_subset": "{name} 将用户流量发往 {host} 时没有写 subset（{routes}），"
    "请求会到达所有版本的 Pod。请在该目标中写上 {field}。",
    "cluster.mirror_taken": "{name} 中受管理的路由已经镜像到 {host}。请移除该镜像，"
    "或将其写成 `mirrors` 的一项，我们的镜像会加在旁边。",
    "cluster.share_is_not_whole": "受管理路由的另一个目标保留其权重，本次发布只能分配 {ours} %。"
    "其中的 {share} 不是整数：请修改该权重，或修改计划中的步骤。",
    "cluster.no_version_label": "没有带 `version` 标签且被 Service {service} 选中的 Deployment {deployment}。请为每"
    "个版本的 Pod 加上该标签。",
    "cluster.several_rules": "多个 DestinationRule 针对 {host}：{names}。Istio 只使用其中一个，请先合并。",
    "cluster.rule_lacks_subset": "{rule} 对命名空间 {space} 中的调用方生效，但没有子集 {subset}：{name} 一旦写上它，"
    "这些请求就会失败。",
    "cluster.add_subset_first": "请先在 {rule} 中加上子集 {subset}，然后重新运行。",
    "cluster.own_rule_first": "请先在命名空间 {space} 中为 {host} 写一个 DestinationRule，包含子集 {subset} 以及"
    "那里现有的策略，然后重新运行。",
    "cluster.routed_by_another": "{name} 已经路由到该服务。请在 services.yaml 中写上 {field}，不要在旁边再建一个。",
    "cluster.gateway_is_new": "{hosts} 的流量入口，后面还没有任何内容。请在 {field} 中写上用户访问的域名。",
    "cluster.which_gateway": "无法判断用户从哪个 Gateway 进入：{gateways}。"
    "请自行编写 VirtualService {name} 并引用其中一个，或创建 Gateway {ours}。",
    "cluster.dotted_host": "{thing} 中的 host {host} 以点号结尾。Istio 找不到这个名称的服务，因此没有任何 Pod 响应。",
    "cluster.half_written_host": "{thing} 写的主机是 {host}，Istio 不会补全它，所以没有响应。",
    "cluster.without_dot": "请改写为 {host}。",
    "cluster.no_host_left": "Gateway {gateway} 的所有 host 都已由其他 VirtualService 路由。"
    "请在其 servers 中为该服务添加一个，或自行编写 VirtualService {name}。",
    "cluster.no_service": "命名空间 {namespace} 中没有 Service {name}。",
    "cluster.write_host": "路由写的是选中所有版本的另一个 Service：请在 services.yaml 中写上 {field}。",
    "cluster.name_service": "如果它与服务不同名，请在 services.yaml 的 {key} 中写明其名称。",
    "cluster.service_is_new": "只属于 {deployment} 的 Service，还没有路由写到它。",
    "cluster.subsets_are_new": "子集 {names}。对任何人都没有影响。",
    "cluster.route_is_new": "{hosts} 的所有用户流量发往 {subset}。",
    "cluster.routes_name_subset": "{routes}：{field}。用户流量仍在主版本，只是写明了名称。",
    "cluster.selector_is_wider": "选择器不再要求 {label}，其他版本的 Pod 因此属于该服务，路由不会把用户流量发给它们。",
    # which routes are ours
    "cluster.unmanageable": "{name} 目前的写法无法管理。",
    "cluster.route_named": "路由 {name}",
    "cluster.route_at": "第 {place} 条 {kind} 路由",
    "cluster.no_route_named": "没有名为 {name} 的 http 路由。",
    "cluster.routes_named": "有多条 http 路由名为 {name}。",
    "cluster.routes_not_found": "在 {name} 中找不到要管理的路由。",
    "cluster.delegates": "{name} 委托给 VirtualService {listed}。如果其路由到 {place}，请改为管理它。",
    "cluster.one_of_several_missing": "VirtualService {namespace}/{name} 不存在。请创建它，或更正 "
    "services.yaml 中的 {key}：多个对象如何分工，只有您知道。",
    "cluster.no_http_routes": "{name} 只有 tls 或 tcp 路由，无法镜像。需要一条到 {place} 的 http 路由。",
    "cluster.no_route_to_primary": "{name} 没有到 {place} 的 http 路由。",
    "cluster.not_shared_out": "{route}使用了 {field}，无法按权重分配。",
    "cluster.to_every_pod": "{route}将用户流量发往 {host} 的所有 Pod。请为该目标写上 subset。",
    "cluster.not_to_primary": "{route}没有将用户流量发往 {subset}。",
    "cluster.subset_twice": "{route}多次写了同一个子集。请合并为一个目标，权重为它们之和。",
    "cluster.subset_of": "{host} 的子集 {subset}",
    "cluster.host_twice": "{route}多次写了同一个版本的 Service。请合并为一个目标，权重为它们之和。",
    "cluster.odd_sum": "{route}的权重之和是 {total}，请改为 {wanted}。",
    # the shape of what is read
    "cluster.no_spec": "{name} 没有 spec。",
    "cluster.misshapen": "无法读取 {name}：{where} 应为{wanted}，实际是{found}。",
    "cluster.null": "空值（null）",
    "cluster.boolean": "布尔值",
    "cluster.text": "文本",
    "cluster.int32": "不大于 2,147,483,647 的数字",
    "cluster.number": "数字",
    "cluster.list": "列表",
    "cluster.object": "对象",
    # what routes say
    "cluster.routes_differ": "{name} 中受管理的路由不一致：{readings}。",
    "cluster.shares": "{primary}/{canary}",
    "cluster.shares_and_mirror": "{primary}/{canary}（含镜像）",
    "cluster.no_whole_percents": "{name} 的权重不是整数百分比。",
    "cluster.mirrors_among_users": "{name} 在 {subset} 已有用户流量时仍向其镜像。",
    "cluster.mirrors_another_share": "{name} 镜像了 {share} 的请求，应为 {wanted}。",
    "cluster.mirrors_every_method": "{name} 镜像了所有方法，应只镜像 {methods}。",
    "cluster.inserted_is_left": "{name} 中仍有 canary-bot 插入的镜像路由。",
    "cluster.inserted_was_changed": "canary-bot 在 {name} 中插入的镜像路由被修改，或与原路由不再一致。",
    "cluster.nothing_to_mirror": "无法镜像：{name} 中受管理的路由都不允许 {methods} 通过。",
    # annotations
    "cluster.held_by_another": "{name} 属于发布 {owner}。请先结束或中止该发布。",
    "cluster.newer_annotation": "{name} 的注解 {annotation} 由更新版本的 canary-bot 写入（版本 {theirs}，"
    "当前支持 {ours}）。请改用更新的版本，或手动修正路由。",
    "cluster.damaged_annotation": "{name} 的注解 {annotation} 已损坏，请手动修正路由。",
    "cluster.unsigned_annotation": "{name} 的注解 {annotation} 没有签名，因此不予采信。可能由他人写入，"
    "或之后才设置了 CANARY_SIGNING_KEY。",
    "cluster.missigned_annotation": "{name} 的注解 {annotation} 的签名不是 canary-bot 的，因此不予采信。"
    "可能由他人写入，或 CANARY_SIGNING_KEY 已更换。",
    "cluster.mirrored_already": "{name} 已经镜像到 {subset}。请先移除该镜像。",
    # how far a Deployment is
    "cluster.deployment_paused": "{name} 已暂停，用 {command} 恢复。",
    "cluster.template_not_seen": "{name}：控制器尚未处理最新的模板。",
    "cluster.deadline_missed": "{name} 在 {field} 内没有进展。",
    "cluster.scaled_to_zero": "{name} 已缩容到零。",
    "cluster.pods_updated": "{name}：{n}/{wanted} 个 Pod 使用最新的模板。",
    "cluster.old_pods": "{name}：还有 {n} 个旧 Pod 待终止。",
    "cluster.pods_available": "{name}：{n}/{wanted} 个 Pod 可用。",
    "cluster.no_new_replica_set": "{name}：尚无使用最新模板的 ReplicaSet。",
    # tools that keep an object
    "cluster.gitops_rules": "{command} 会打印让它不干预发布的规则。",
    "cluster.no_helm_upgrade": "发布结束之前不要对其执行 {command}。",
    "cluster.image_to_git": "升级后的镜像也必须写入 Git。",
    "cluster.hosts_to_name": "准入策略 {policy} 不知道这些主机是同一服务的不同版本。"
    "请把 {pattern} 写入它的变量 {variable}，或写一个以后的版本也能匹配的正则表达式。",
}
