"""What is said of what a start found, in English."""

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    # workloads
    "preflight.paused": "{name} is paused, so no new template would ever roll out.",
    "preflight.resume_it": "{command} lets it go on.",
    "preflight.just_changed": "{name} was changed a moment ago, and Kubernetes has not acted on it yet.",
    "preflight.try_again_soon": "Try again in some seconds.",
    "preflight.no_progress": "{name} is stuck: it made no progress within its {field}.",
    "preflight.see_why": "{command} says why.",
    "preflight.see_why_pods": "{command} and the events of its pods say why.",
    "preflight.pods_not_created": "{name} cannot have all of its pods: {why}.",
    "preflight.make_room": "Make room (a quota, a limit range, a policy that refuses them), then start again.",
    "preflight.container_of": "{container} of {name}",
    "preflight.no_probe": "{containers} {n:has|have:bare} no readiness probe, "
    "so users arrive the moment {n:its|their:bare} pods start.",
    "preflight.add_probe": "Add a {field} to {n:the container|each of them:bare}.",
    "preflight.container_waits": "{container} in {pod} of {name} waits: {why}.",
    "preflight.restarted": "Containers of {name} were restarted {n:time|times}.",
    "preflight.restarted_because": "Containers of {name} were restarted {n:time|times} ({reasons}{last}).",
    "preflight.last_at": ", last at {last}",
    "preflight.see_logs": "Read their logs before users depend on them: {command}.",
    "preflight.no_history": "{name} keeps no old ReplicaSet ({field}).",
    "preflight.keep_history": "Aborting works all the same, {command} does not: set {field}.",
    "preflight.deadline_late": "{field} of {name} ({deadline}) is longer than {setting} ({patience}).",
    "preflight.exactly_seconds": "{n:second|seconds}",
    "preflight.shorten_deadline": "Make {field} the shorter one: else only {setting} notices a stuck upgrade.",
    "preflight.recreates": "{name} has the strategy {strategy}: during its upgrade it has no pod at all.",
    "preflight.roll_instead": "Callers that do not follow the VirtualService would fail. Set {fields}.",
    # sidecars
    "preflight.ambient": "{name} is in the ambient mesh without a sidecar, so mirrored requests to it are counted "
    "nowhere.",
    "preflight.give_sidecar": "Give it a sidecar, or check it by the application's own metrics ({setting}).",
    "preflight.no_sidecar": "No pod of {name} has a sidecar ({container}), so its requests are counted nowhere.",
    "preflight.sidecar_off": "{name} has {label}, so its requests are counted nowhere.",
    "preflight.inject_sidecar": "{command} (or its revision's label) turns injection on; then restart the Deployment.",
    "preflight.some_without_sidecar": "{n} of the {pods:ready pod|ready pods} of {name} {n:has|have:bare} no sidecar "
    "({container}), so requests to {n:it|them:bare} are counted nowhere.",
    "preflight.delete_those": "{command} replaces {n:it|them:bare}.",
    "preflight.sidecar_not_ready": "The sidecar of {n} of the {pods:pod|pods} of {name} is not ready.",
    "preflight.see_proxies": "{command} says whether it has its configuration.",
    "preflight.sidecar_unknown": "No ready pod of {name} can be seen, so nobody knows whether it has a sidecar.",
    "preflight.without_sidecar": "Without one its requests are not counted, and the mirror waits for figures that "
    "never come.",
    "preflight.custom_gates_only": "Only the custom gates can judge it. {remedy}",
    # policies
    "preflight.policy_of_one": "{policy} governs the pods of {name} and not those of {other}.",
    "preflight.select_both": "{reading}. Select both by a label that they share, or accept it.",
    "preflight.one_side_forbids": "Callers, even the gateway, may get 403 on one side only, which no check counts as "
    "an error",
    "preflight.one_side_plain": "Callers without mutual TLS may be let in on one side only",
    "preflight.one_side_reaches": "The two may reach different services, or be reached on different ports",
    "preflight.one_side_other": "The two are not treated alike",
    # image_pull
    "preflight.other_registry": "{canary} runs an image of {after}, and {primary} one of {before}.",
    "preflight.try_pull": "The nodes of {primary} may not be allowed to pull from there: try it with a pod of its "
    "service account.",
    "preflight.pull_secret": "{canary} pulls its image with the secret {secrets}, which {primary} lacks.",
    "preflight.add_secret": "Add {fields} to its pod template, or the upgrade ends in ImagePullBackOff.",
    "preflight.other_account": "{canary} runs as service account {after}, and {primary} as {before}.",
    "preflight.same_account": "Pull secrets and permissions go with the account: give both {field}, or make sure that "
    "the primary's may do as much.",
    # quotas
    "preflight.quota_used": "{what}: {used} of {hard}",
    "preflight.quota_full": "ResourceQuota {quota} leaves no room for the {n:pod|pods} that the upgrade of {primary} "
    "starts before old ones go ({used}).",
    "preflight.raise_quota": "Raise the quota or set {field}: else the upgrade gets stuck while all users are on the "
    "canary.",
    "preflight.no_eviction": "PodDisruptionBudget {budget} allows no pod of {name} to be evicted now.",
    "preflight.drain_none": "Drain no node during the rollout, or let the budget spare a pod.",
    "preflight.one_budget": "PodDisruptionBudget {budget} counts the pods of {name} and {other} as one.",
    "preflight.own_budgets": "A drain may take all pods of the side that has the users: give each side its own budget.",
    "preflight.left_on_primary": "In {name}, users are sent to {subset} too by routes that are not to move: {routes}. "
    "They would be on pods that the rollout replaces.",
    "preflight.left_with_primary": "In {name}, users are sent to {subset} too by routes that are not to move: "
    "{routes}. They stay on the old version.",
    "preflight.left_open": "In {name}, {route} sends users to {host} without a subset, so they reach pods of every "
    "version, whatever the weights.",
    "preflight.move_them_too": "Write {line} for {service} in services.yaml: then they move together.",
    "preflight.move_all": "Take {key} out of {service} in services.yaml: then all routes to the primary move together.",
    "preflight.no_route_to_primary": "{name} has no http route to {place} of {host}.",
    "preflight.add_route": "Add an http route with {field}.",
    "preflight.write_list": "Write {key} for {service} in services.yaml, instead of {old}: they route to the service "
    "already.",
    "preflight.users_on_others": "In {name}, users are on {places} and none on {primary}, which services.yaml calls "
    "the primary.",
    # as_written
    "preflight.named_twice": "{name} names one version more than once in {routes}.",
    "preflight.name_once": "{command} makes one destination of them, with the sum of their weights; nobody moves.",
    "preflight.named_apart": "{name} names one version more than once in {routes}, with other headers or ports.",
    "preflight.headers_alone": "In {name}, {routes} sets headers for the primary's destination alone: users of the "
    "canary go without.",
    "preflight.headers_too": "{command} gives the canary a destination with the same headers, and nobody on it yet.",
    "preflight.keep_largest": "{command} keeps the one with most users, for all of them. What only another one sets is "
    "gone then: write it into the one that is kept, if it must stay.",
    "preflight.unknown_subset": "{name} sends users to {subsets} in {routes}, which no DestinationRule has: they get "
    "errors (503).",
    "preflight.odd_weights": "{name} has weights that do not add up to 100 beside another destination, in {routes}.",
    "preflight.write_percents": "{command} writes them in whole percents.",
    "preflight.mirror_taken": "{name} copies requests to somebody else by {field} in {routes}, and there is one such "
    "field.",
    "preflight.mirror_beside": "{command} writes that as an entry of {field}: ours then goes beside it.",
    "preflight.subset_of_all": "{name} sends users to {subsets} in {routes}, which have pods of both versions.",
    "preflight.narrow_subset": "{command} writes {field} there.",
    "preflight.misnamed_routes": "{name} has no http route of its own for {routes}, which services.yaml names.",
    "preflight.name_the_others": "Write {line} for {service} in services.yaml, or give a route that name.",
    "preflight.share_not_whole": "Another destination keeps its weight in {name} ({routes}), which leaves {ours} %. "
    "Of that no whole percents: {steps}.",
    "preflight.choose_steps": "Write {keys} for {service} in services.yaml, or change that destination's weight.",
    "preflight.adopt_instead": "Only http routes can move. Write {line} for {service} in services.yaml, which "
    "replaces no pods, or send these users elsewhere.",
    "preflight.streams_stay": "Only http routes can move: send these users elsewhere when you like.",
    "preflight.only_streams": "{name} has only tls or tcp routes, and those cannot be mirrored.",
    "preflight.write_http": "The ports of its Service are HTTP, so those to the primary can be http routes: {command}.",
    "preflight.only_http": "A rollout compares HTTP requests, and needs an http route to the primary. If these users "
    "speak HTTP, say so in the port's name ({protocol}), the Gateway and the route.",
    "preflight.route_without_subset": "In {name}, users reach {host} without a subset ({routes}), so they "
    "meet pods of every version.",
    "preflight.init_names_subset": "{command} writes {field} there, in an order in which no user meets another "
    "version; without `--apply` it shows what.",
    "preflight.init_widens_selector": "{command} takes the label out of the selector, after every route names its "
    "subset; before that users would meet the canary.",
    # problems
    "preflight.init": "{shows} shows what it needs, {creates} creates it.",
    # examine
    "preflight.warning": "Warning: {text}",
    "preflight.not_started": "{service} {version} was not started. Nothing has changed.",
    "preflight.add_rule": "Add to its Role there: {rule}.",
    "preflight.try_again": "Try again.",
    "preflight.unread": "{kind} objects could not be read, so nothing is known about them: {why}",
    "preflight.rule_in": "{file} has the rule that lets canary-bot read them.",
    "preflight.look_for_them": "Look for them with {command}.",
    "preflight.other_workload": "{name} is a {kind}, and canary-bot releases Deployments.",
    "preflight.use_deployment": "A {kind} replaces its pods in place, so no second version can stand beside it. Serve "
    "these users from a Deployment, or release this one without canary-bot.",
    "preflight.no_primary": "There is no Deployment {name} in namespace {space} (the primary).",
    "preflight.correct_primary": "Correct {primary} or {space} in services.yaml.",
    "preflight.no_canary": "There is no Deployment {name} in namespace {space}.",
    "preflight.deploy_canary": "Deploy {version} first; it gets no users before you start.",
    "preflight.no_service": "There is no Service {name} in namespace {space}.",
    "preflight.name_service": "Name it under {key} in services.yaml when it is not called like the service.",
    "preflight.asked_labels": "Give the pods of {name} the labels that Service {service} asks for: {labels}.",
    "preflight.no_virtual_service": "There is no VirtualService {name} in namespace {space}.",
    "preflight.wrong_version": "{name} carries version {label}, not {version}.",
    "preflight.start_that": "Start {label}, or deploy {version} there.",
    "preflight.which_container": "{name} has the containers {containers}, and services.yaml does not name one.",
    "preflight.name_container": "Say with {keys:or} in services.yaml whose images are the version.",
    "preflight.no_container": "{name} has no container {wanted}; it has {containers}.",
    "preflight.correct_list": "Create it, or correct {key} in services.yaml: users are moved by all of them together.",
    "preflight.correct_container": "Correct {key} in services.yaml; both Deployments need that container.",
    "preflight.restart_it": "{command}, so that all run one; or deploy by digest.",
    "preflight.one_tag": "{primary} and {canary} run different bits under one name: {images}.",
    "preflight.own_tags": "The way back after the upgrade would be that name, which means the new bits by now. Give "
    "each version a tag of its own, or deploy by digest.",
    "preflight.promoted_already": "{primary} runs the image of {version} already: {images}.",
    "preflight.nothing_to_promote": "There is nothing to promote; look at which image the canary was deployed with.",
    "preflight.mixed_primary": "The pods of {name} run different images under {image}.",
    "preflight.unmix": "The canary is compared with a mix, and an abort brings back only what that name means then. "
    "{command}, or deploy by digest.",
    # freezes
    "preflight.unfreeze": "{command} ends it.",
    # permissions
    "preflight.may_not": "canary-bot may not {verb} {what} in namespace {space}.",
    "preflight.may_unknown": "Whether canary-bot may do all that a rollout does ({things}) is not known: {why}",
    "preflight.compare_role": "Compare its Role with {file}.",
    # ownership
    "preflight.kept_by": "{thing} is kept by {owner}, which will undo what a rollout writes to it.",
    "preflight.belongs": "{thing} belongs to {tool} ({sign}).",
    "preflight.release_it": "Release it with {tool}, or take it out of {tool}'s hands first.",
    "preflight.steered": "{tool}'s {thing} steers {taken}.",
    "preflight.release_or_delete": "Two drivers would fight: release it with {tool}, or delete that {kind} first.",
    # leak
    "preflight.requests_from": "{n} from {who}",
    "preflight.more_callers": "{n:more caller|more callers}",
    "preflight.callers_unknown": "Who calls {host} is not known: {why}",
    "preflight.callers_might_leak": "Callers inside the mesh that do not follow the VirtualService would reach the "
    "canary at once.",
    "preflight.called_already": "{name} answers real requests already: {callers} in the last minutes.",
    "preflight.who_calls_already": "Either a route sends testers there, or these callers do not follow the "
    "VirtualService.",
    "preflight.callers_astray": "Callers inside the mesh do not follow VirtualService {name}: {callers} in the last "
    "hour.",
    "preflight.govern_the_mesh": "They reach every ready pod of {host}, the canary's too. Add {mesh} to its gateways "
    "and {host} to its hosts (a host {all_hosts} must go then), or accept it.",
    # live_state
    "preflight.not_at_home": "The routes of {name} are {routes}; a rollout begins with all users on the primary. Set "
    "the weight of {primary} to 100 and of {canary} to 0, without a mirror.",
    "preflight.not_all_home": "{name} is not as a rollout begins, with all users on {primary} and no copies: {routes}.",
    "preflight.several_namespaces": "{name} shares users out between namespace {space} and {hosts} ({routes}). A "
    "rollout moves users between Deployments of one namespace.",
    "preflight.bring_to_namespace": "{command} brings all of them to {space}. Have {version} deployed there too, then "
    "start again.",
    "preflight.route_gives": "{route} gives {canary} {share} of users",
    "preflight.route_mirrors": "{route} mirrors to {canary}",
    "preflight.route_gives_nothing": "{route} has no weights",
    "preflight.bring_home": "If another release is under way there, let it end. Otherwise {command} takes its users "
    "back to {primary}; other destinations keep their share.",
    "preflight.no_replicas": "{name} has no replicas.",
    "preflight.scale_it_up": "{command} gives it pods.",
    "preflight.not_ready": "{name} is not ready: {ready} of {wanted:pod|pods}.",
    "preflight.see_what_it_waits_for": "{command} says what it waits for.",
    "preflight.changing": "{name} is changing right now; try again when that is over.",
    # gateways
    "preflight.no_gateway": "There is no Gateway {gateways}, which VirtualService {name} names.",
    "preflight.create_gateway": "Create it there, or correct {field}: {long} means {short}.",
    "preflight.not_let_in": "Gateway {gateways} lets no request for {hosts} in.",
    "preflight.add_host": "Add the host to {field} of a server for HTTP, or for HTTPS that ends at the Gateway (no "
    "PASSTHROUGH). Or correct {hosts} of the VirtualService.",
    "preflight.gateway_deserted": "No ready pod of any namespace has the labels {labels} that Gateway {gateway} asks "
    "for.",
    "preflight.find_gateway_pods": "Nothing lets users in: {command} shows what is there.",
    "preflight.gateway_pods_unseen": "No ready pod of {spaces} has the labels {labels} that Gateway {gateway} asks "
    "for. In other namespaces canary-bot may not look.",
    "preflight.let_list_pods": "{command} shows whether there are others. A Role in their namespace lets canary-bot "
    "see them: {rule}.",
    "preflight.hidden": "{what} is exported to {spaces} alone, so a gateway in {blind} does not see it.",
    "preflight.export_it": "Add {blind} to its {field}, unless the gateway's pods are elsewhere.",
    # mesh
    "preflight.leftovers": "VirtualService {name} has annotations of an older rollout ({annotations}) and no rollout.",
    "preflight.remove_leftovers": "{command}, when its routes are as they should be.",
    "preflight.old_route": "VirtualService {name} still has the route {routes} of an older rollout.",
    "preflight.delete_route": "It goes on mirroring: {command} deletes it.",
    "preflight.the_mesh": "the mesh",
    "preflight.one_gateway": "{other} (the same pods and port as {ours})",
    "preflight.subset_of": "{name} (subset {subset})",
    "preflight.same_host": "VirtualService {other} has the same host {hosts} on {where}.",
    "preflight.merge_them": "Which of the two a request meets is not yours to choose there: merge them, or split the "
    "hosts.",
    "preflight.narrower_host": "VirtualService {other} takes the requests for {hosts} on {where} and sends them to "
    "{senders}.",
    "preflight.give_it_up": "They follow its weights and not the rollout's: give it up, or accept that they do not "
    "move.",
    "preflight.sends_as_well": "VirtualService {other} sends requests to {senders} as well.",
    "preflight.move_them": "They follow none of the rollout's weights: without a subset they reach the canary at "
    "once, and with the primary's they stay there while it is upgraded. Move them to {name}, or accept it.",
    "preflight.list_it_too": "They follow none of the rollout's weights: without a subset they reach the canary at "
    "once, and with the primary's they stay there while it is upgraded. Write {key} for {service} in services.yaml, "
    "so that they move too, or accept it.",
    "preflight.delegate_hidden": "VirtualService {root} delegates to {name}, whose exportTo hides it there.",
    "preflight.export_to_root": "Add {space} to its {field}: until then its routes apply nowhere there.",
    "preflight.root_mirrors": "VirtualService {root} mirrors what it delegates to {name}.",
    "preflight.root_drops_copies": "Under {fields} of VirtualService {root}, Istio drops routes of {name} that mirror "
    "only some methods, so the canary would get no copies.",
    "preflight.say_it_there_too": "Write the same condition in each route of {name}, or {key} where every request may "
    "be made twice.",
    "preflight.remove_roots_mirror": "A route that has no mirror of its own inherits that one: remove it there, or "
    "its copies go on.",
    "preflight.astray": "VirtualService {name} has no hosts, and no VirtualService of any namespace delegates to it.",
    "preflight.give_hosts": "Its routes apply nowhere, and a rollout would move nobody: give it {field}, or delegate "
    "to it.",
    "preflight.astray_here": "VirtualService {name} has no hosts, and nothing in its namespace delegates to it.",
    "preflight.look_elsewhere": "Unless a VirtualService of another namespace does, its routes apply nowhere: look "
    "there first.",
    "preflight.faults": "In {name}, {route} injects faults ({kinds}), and they are counted like real ones.",
    "preflight.remove_faults": "Remove {field} before a start, or its errors and delays are judged as the service's.",
    "preflight.port_protocol": "Port {port} of Service {service} has the appProtocol {protocol}, which is no HTTP to "
    "Istio.",
    "preflight.port_name": "Port {port} of Service {service} is called {name}, which is no HTTP to Istio.",
    "preflight.port_nameless": "Port {port} of Service {service} has no name, which is no HTTP to Istio.",
    "preflight.name_port": "If it carries HTTP or gRPC, say so: name it {http} or {grpc}, or set {field}. Nothing "
    "that Istio takes for TCP or TLS is counted, mirrored or shared out.",
    "preflight.http_route_owns": "HTTPRoute {route} routes the callers of Service {service}.",
    "preflight.keep_http_route": "canary-bot moves VirtualServices only. Release it with a tool that knows the Gateway "
    "API; do not just delete the HTTPRoute, or users reach pods of every version.",
    "preflight.waypoint": "{what} is behind the waypoint {waypoint}, which routes its requests from the mesh.",
    "preflight.waypoint_counts_no_copies": "It counts no copies, so the mirror proves nothing by Istio's metrics: "
    "judge it by the application's own ({setting}).",
    "preflight.bind_to_mesh": "It obeys a VirtualService only with {mesh} among its gateways and {host} among its "
    "hosts. It counts no copies: judge the mirror by the application's own metrics ({setting}).",
    "preflight.http_route_consumes": "HTTPRoute {route} routes the callers of Service {service} that are in namespace "
    "{space}.",
    "preflight.http_route_sends": "HTTPRoute {route} sends requests to Service {service} as well.",
    "preflight.move_http_route": "They reach every ready pod, the canary's too, whatever the weights: move them to "
    "the VirtualService first.",
    # moved
    "preflight.subset_called": "subset {name}",
    "preflight.service_called": "Service {name}",
    "preflight.all_elsewhere": "All users are on the {place} and none on {primary}, which services.yaml calls "
    "the primary.",
    "preflight.name_primary": "Name the Deployment that has them as {key} for {service} in services.yaml; if that is "
    "not meant, give the weight to {primary} first.",
    "preflight.was_adopted": "{version} is the primary now: rollout {rollout} ended with all users on {name} "
    "({place}), and services.yaml still calls {old} the primary.",
    "preflight.all_on_another": "All users are on {name} ({place}), and services.yaml calls {old} the primary.",
    "preflight.write_keys": "Write {keys} for {service} in services.yaml, then start the next version.",
    "preflight.write_key": "Write {key} for {service} in services.yaml: it routes to the service already.",
    "preflight.if_not_meant": "If that is not meant, give all the weight to {old} in {name} first.",
    # templates
    "preflight.templates_differ": "The pod templates of {primary} and {canary} differ beyond the image ({fields}); "
    "only the image is promoted.",
    "preflight.bring_together": "Bring both together first, or accept that the upgraded primary is not what the "
    "canary was.",
    "preflight.other_images": "Other images of {canary} differ from those of {primary}, and are not promoted: "
    "{containers}.",
    "preflight.promote_together": "Write {key} for {service} in services.yaml to promote them together, or accept it.",
    "preflight.more_fields": "{n} more",
    "preflight.only_on_canary": "{field} only on the canary",
    "preflight.only_on_primary": "{field} only on the primary",
    "preflight.differs": "{field} differs",
    # pod_counts
    "preflight.parked": "{name} has no pods: canary-bot gives it {n} first, and takes them away at the end.",
    "preflight.pin_by_digest": "What its tag means is not known before they run. Name the image by digest, so "
    "that what was tested is what is promoted.",
    "preflight.too_few_pods": "{name} has {n:pod|pods} where {primary} serves everyone with {now}: it would need "
    "{needs}; {grows}.",
    "preflight.pods_for": "{n} for {what}",
    "preflight.for_mirror": "the mirror ({share})",
    "preflight.grows_late": "its HPA may grow it to {most}, but only after the users have come",
    "preflight.stops_growing": "its HPA stops at {most}",
    "preflight.nothing_scales": "nothing scales it",
    "preflight.raise_minimum": "Let HPA {scaler} keep at least {most} (minReplicas, and maxReplicas where it is less) "
    "before the start, or choose smaller weights.",
    "preflight.scale_first": "{command} before the start, or choose smaller weights.",
    "preflight.may_shrink": "HPA {scaler} may shrink {name} from {now} to {n:pod|pods} while its users are on the "
    "canary.",
    "preflight.keep_minimum": "Set its {field} to {now} until the rollout has ended, or make the {steps} steps "
    "smaller.",
    "preflight.may_scale_to_none": "ScaledObject {scaler} may shrink {name} to no pods while its users are on the "
    "canary, and while it is upgraded.",
    "preflight.keep_scaled": "Set {field} of ScaledObject {scaler} to {now} until the rollout has ended.",
    "preflight.counts_both": "HPA {scaler} counts the canary's pods as {name}'s: the selector fits both.",
    "preflight.own_label": "Its averages are wrong while both run: give the primary's selector a label of its own.",
    "preflight.does_not_scale": "HPA {scaler} does not scale {name}: {why}.",
    "preflight.see_scaler": "{command} says more. Until then {name} keeps its {n:pod|pods} whatever the traffic.",
    "preflight.neither_scales": "HPAs {scalers} scale neither {primary} nor {canary}: {why}.",
    "preflight.see_scalers": "{command} says more. Until then both keep the pods they have, whatever the traffic.",
    # subsets
    "preflight.several_subsets": "The pods of {name} must be in exactly one subset of {rule}, found {found}.",
    "preflight.no_subset": "The pods of {name} must be in exactly one subset of {rule}, found none.",
    "preflight.own_subset": "Give each version a subset of its own, by a label that only its pods carry.",
    "preflight.one_name": "Write one of {names} as {field} in every route, or take the others out of the rule.",
    "preflight.policies_differ": "The subsets {primary} and {canary} of {rule} have different trafficPolicy "
    "({differing}).",
    "preflight.same_policy": "Their figures are not comparable: give both the same, or put it on the whole "
    "DestinationRule.",
    "preflight.by_locality": "{name} balances by locality (localityLbSetting).",
    "preflight.spread_pods": "A zone with a single pod of the canary sends it all of the zone's share. Spread its "
    "pods over the zones as the primary's are, or leave the setting out for the rollout.",
    "preflight.sticky": "{name} keeps sessions together (consistentHash), which holds within one subset only.",
    "preflight.share_sessions": "Users change between the versions from request to request: make sure that both share "
    "sessions.",
    "preflight.stray": "Pod {pod} of {name} is not in the subset {subset}: its labels are not its template's.",
    "preflight.delete_stray": "{command}; another is born with the right ones.",
    "preflight.several_rules": "Exactly one DestinationRule with subsets is needed for {host}, found {n} ({rules}).",
    "preflight.merge_rules": "Merge them into one.",
    "preflight.no_rule": "Exactly one DestinationRule with subsets is needed for {host}, found none.",
    "preflight.anothers_rule": "{rule} is about {written}, and not about {host}.",
    "preflight.free_name": "Write the right name as {key} in services.yaml, or a free one: {creates} creates it.",
    "preflight.blind_callers": "Callers in namespace {space} obey {rule}, which has no subset {subsets}: a route that "
    "names it gives them errors (503).",
    "preflight.add_subsets": "{command} adds what it lacks.",
    "preflight.own_rule": "Write a DestinationRule for {host} with the subsets of {like} in namespace {space} too, and "
    "with the policies that hold there now.",
    "preflight.other_rule": "The DestinationRule for {host} is {rule}, and services.yaml names {named}.",
    "preflight.unselected": "The Service {service} does not select the pods of {name}.",
    "preflight.one_subset": "{primary} and {canary} are both in the subset {subset}: no route can tell them apart.",
    "preflight.is_primary": "{name} is what users have now.",
    "preflight.other_version": "Start another version.",
    "preflight.foreign_label": "The subsets {primary} and {canary} differ in {label}, which another controller owns.",
    "preflight.own_version_label": "Tell the versions apart by a label of your own, such as {label}.",
    "preflight.stranger": "The pods of {name} are in the subset {subset} of {rule} too.",
    "preflight.scale_stranger": "It would get users that nobody planned. An earlier release's canary has served its "
    "time: {command}. Anything else: relabel it.",
    # versions as hosts
    "preflight.several_services": "{name} has several Services of its own ({services}), and routes name none of them.",
    "preflight.name_canary_service": "Say which one gets its users: {key} in services.yaml.",
    "preflight.no_own_service": "{name} has no Service of its own. Routes share users out between Services, of which "
    "{service} is {primary}'s.",
    "preflight.own_service": "Give {name} a Service of its own, whose selector fits its pods' labels.",
    "preflight.service_of_both": "Service {service} is {name}'s in the routes, and selects the pods of {other} too: "
    "its users meet both.",
    "preflight.narrow_service": "{command} lets {service} select the pods of {name} alone.",
    "preflight.foreign_selector": "The selector of Service {service} has {label}, which another controller owns.",
    "preflight.stranger_in_service": "The pods of {name} belong to Service {service} too.",
    "preflight.stray_of_service": "Pod {pod} of {name} does not belong to Service {service}: its labels are not its "
    "template's.",
    "preflight.no_such_port": "Routes have the primary at port {port}. Service {service} has no such port, and several "
    "others.",
    "preflight.port_unsaid": "Routes name no port of the primary, and Service {service} has several.",
    "preflight.write_canary_entry": "Say the canary's port in the route: {field}.",
    "preflight.host_policies_differ": "The DestinationRules of {primary} and {canary} have different trafficPolicy "
    "({differing}).",
    "preflight.same_host_policy": "Their figures are not comparable: give both hosts the same.",
    "preflight.sent_to_both": "VirtualService {name} sends users to Service {service}, which selects the pods of both "
    "versions. They meet {canary} at any weight.",
    "preflight.send_to_primary": "Send them to the primary alone: {field}.",
    "preflight.both_are_called": "Service {service} selects the pods of both versions, and {callers} called it by name "
    "in the last hour. They meet {canary} at any weight.",
    "preflight.both_may_be_called": "Service {service} selects the pods of both versions: whoever calls it by name "
    "meets {canary} at any weight.",
    "preflight.govern_or_narrow": "Let the VirtualService have the host {host} on the gateway {mesh}, or give the "
    "Service to the primary: {narrow}",
    "preflight.sent_elsewhere": "VirtualService {name} sends users to Service {service} as well, which does not move. "
    "They stay on {primary}.",
    # telemetry
    "preflight.no_prometheus": "Nothing can be judged now: {why}",
    "preflight.until_prometheus": "Every stage holds until Prometheus answers; {command} says whether it does.",
    "preflight.clock_ahead": "Prometheus's clock is {skew} ahead of canary-bot's.",
    "preflight.clock_behind": "Prometheus's clock is {skew} behind canary-bot's.",
    "preflight.set_clocks": "Set both by NTP: by the wrong clock, what is judged is older than it need be, or comes "
    "late.",
    "preflight.no_request": "Prometheus has no request of {name}.",
    "preflight.why_no_request": "Nothing can be judged without: is it called at all, are its proxies scraped, and "
    "does the Telemetry API keep the labels? Ask for {query}.",
    "preflight.other_reporter": "The requests of {name} are counted by {found}, and not by {wanted}.",
    "preflight.correct_reporter": "Nothing can be judged: correct {setting} in services.yaml, or let its own proxies "
    "be scraped.",
    "preflight.not_called": "Nobody has called {name} in the last ten minutes.",
    "preflight.wait_for_traffic": "A canary that nobody calls proves nothing, and its stages hold: start when there "
    "is traffic.",
    "preflight.other_callers": "None of the {n:request|requests} of {name} in the last ten minutes came from "
    "{wanted}: {found}.",
    "preflight.correct_callers": "Nothing can be judged: correct {setting} in services.yaml.",
    "preflight.old_figures": "The newest figures of {name} are {age} old, with a scrape each {every}.",
    "preflight.scrape_oftener": "Its proxies are scraped more rarely than services.yaml says ({interval}), or not any "
    "more: look at Prometheus's targets. Where figures arrive late (remote write, Thanos, Mimir), write how late in "
    "{delay}.",
    "preflight.several_places": "The requests of {name} or its canary are counted in several places at once ({label}: "
    "{values}).",
    "preflight.which_cluster": "Their sum is judged, or nothing where the others' pods bear names. Are they clusters "
    "with the same names? Then write which one is meant: {key} in services.yaml.",
    "preflight.name_job": "While it does, {name} is unknown and every stage holds. Name the job that scrapes the "
    "mesh's proxies, or the cluster: {key} in services.yaml.",
    "preflight.scraped_unknown": "Which pods are scraped is not known: Prometheus has no istio_build of theirs with "
    "the label pod.",
    "preflight.scrape_alike": "The canary's proxies must be scraped like the primary's: look at Prometheus's targets.",
    "preflight.not_scraped": "Prometheus scrapes {scraped} of the {n:ready pod|ready pods} of {name} (not {silent}).",
    "preflight.scrape_them": "What the others answer is counted nowhere. New pods are found within moments; else look "
    "at Prometheus's targets, and at the scrape annotations of the pods.",
    "preflight.buckets_differ": "{primary} and {canary} count latencies in different buckets ({bounds} on one side "
    "only).",
    "preflight.same_buckets": "Give both the same annotation {annotation}.",
    "preflight.no_buckets": "Prometheus has no latency buckets of {name}.",
    "preflight.keep_buckets": "Latency is not judged: let {metric} be kept, or write {key} under {gates}, so that "
    "nobody relies on it.",
    "preflight.too_little_traffic": "At {rate} requests a second a stage does not see the {least} requests of a "
    "verdict in its time: {stages}.",
    "preflight.stage_short": "{stage} about {n} in {time} (enough after {needed})",
    "preflight.give_time": "It waits until it has: give it that time ({mirror}, {stage}), begin with larger weights, "
    "or start when there is more traffic.",
    "preflight.only_grpc": "All requests of {name} are gRPC, which is always POST, and only {methods} is mirrored.",
    "preflight.mirror_all": "Nothing would be copied and the mirror would wait for ever: with calls that may be made "
    "twice, write {key}.",
    "preflight.writes_copied": "{share} of the requests of {name} in the last ten minutes were writes ({methods}), "
    "and every method is mirrored.",
    "preflight.mirror_reads": "Each of them happens twice, with all that follows (e-mails, payments, queues): {key} "
    "copies reads alone.",
}
