"""What is said of objects of the cluster, in English."""

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "cluster.route_without_subset": "In {name}, users reach {host} without a subset ({routes}), so they meet pods of "
    "every version. Write {field} into that destination.",
    "cluster.mirror_taken": "{name} already mirrors a managed route to {host}. Remove that mirror, or write it as an "
    "entry of `mirrors`: ours then goes beside it.",
    "cluster.share_is_not_whole": "Another destination of a managed route keeps its weight, so {ours} % are left for "
    "the rollout. {share} of that is no whole number: change that weight, or the steps of the plan.",
    "cluster.no_version_label": "There is no Deployment {deployment} with a label `version` that Service {service} "
    "selects. Give the pods of each version that label.",
    "cluster.several_rules": "Several DestinationRules are about {host}: {names}. Istio uses one of them only: "
    "merge them first.",
    "cluster.rule_lacks_subset": "{rule} applies to callers in namespace {space} and has no subset {subset}: {name} "
    "would give them errors once it names that subset.",
    "cluster.add_subset_first": "Add subset {subset} to {rule}, then run it again.",
    "cluster.own_rule_first": "Write a DestinationRule for {host} with subset {subset} in namespace {space}, with the "
    "policies that hold there now. Then run it again.",
    "cluster.routed_by_another": "{name} routes to the service already. Write {field} for it in services.yaml "
    "instead of a second one beside it.",
    "cluster.gateway_is_new": "A way in for {hosts}, with nothing behind it yet. Write the name that users call "
    "into {field}.",
    "cluster.which_gateway": "Which Gateway lets users in cannot be told: {gateways}. Write VirtualService {name} "
    "yourself, with one of them, or create Gateway {ours}.",
    "cluster.dotted_host": "{thing} writes the host {host} with a dot at its end. Istio knows no service of that "
    "name, so nobody answers there.",
    "cluster.half_written_host": "{thing} writes the host {host}, which Istio does not complete, so nobody answers "
    "there.",
    "cluster.without_dot": "Write {host} there.",
    "cluster.no_host_left": "Every host of Gateway {gateway} is routed by another VirtualService. Add one for this "
    "service to its servers, or write VirtualService {name} yourself.",
    "cluster.no_service": "There is no Service {name} in namespace {namespace}.",
    "cluster.write_host": "Routes name one that selects every version: write {field} in services.yaml.",
    "cluster.name_service": "Name it under {key} in services.yaml when it is not called like the service.",
    "cluster.service_is_new": "A Service for {deployment} alone. No route names it yet.",
    "cluster.subsets_are_new": "Subsets {names}. Nothing changes for anybody.",
    "cluster.route_is_new": "All users of {hosts} go to {subset}.",
    "cluster.routes_name_subset": "{routes}: {field}. Users stay with the primary, now by name.",
    "cluster.selector_is_wider": "The selector no longer asks for {label}, so other versions' pods belong to the "
    "service. Routes keep users off them.",
    # which routes are ours
    "cluster.unmanageable": "{name} cannot be managed as it is.",
    "cluster.route_named": "route {name}",
    "cluster.route_at": "{kind} route {place}",
    "cluster.no_route_named": "There is no http route named {name}.",
    "cluster.routes_named": "Several http routes are named {name}.",
    "cluster.routes_not_found": "The routes to manage cannot be found in {name}.",
    "cluster.delegates": "{name} delegates to VirtualService {listed}. Manage that one, if it routes to {place}.",
    "cluster.one_of_several_missing": "VirtualService {namespace}/{name} does not exist. Create it, or correct {key} "
    "in services.yaml: how several share the work, only you know.",
    "cluster.no_http_routes": "{name} has only tls or tcp routes, and those cannot mirror. An http route to {place} "
    "is needed.",
    "cluster.no_route_to_primary": "{name} has no http route to {place}.",
    "cluster.not_shared_out": "{route} has a {field}, which cannot be shared out.",
    "cluster.to_every_pod": "{route} sends users to every pod of {host}. Give that destination a subset.",
    "cluster.not_to_primary": "{route} does not send users to {subset}.",
    "cluster.subset_twice": "{route} names a subset more than once. Write one destination with the sum of their "
    "weights.",
    "cluster.subset_of": "{host} (subset {subset})",
    "cluster.host_twice": "{route} names the Service of one version more than once. Write one destination with the sum "
    "of their weights.",
    "cluster.odd_sum": "{route} has weights that add up to {total}. Let them add up to {wanted}.",
    # the shape of what is read
    "cluster.no_spec": "{name} has no spec.",
    "cluster.misshapen": "{name} cannot be read: {where} is {found} where {wanted} belongs.",
    "cluster.null": "null",
    "cluster.boolean": "true or false",
    "cluster.text": "text",
    "cluster.int32": "a number of at most 2,147,483,647",
    "cluster.number": "a number",
    "cluster.list": "a list",
    "cluster.object": "an object",
    # what routes say
    "cluster.routes_differ": "The managed routes of {name} do not agree: {readings}.",
    "cluster.shares": "{primary}/{canary}",
    "cluster.shares_and_mirror": "{primary}/{canary} with mirror",
    "cluster.no_whole_percents": "{name} has weights that are no whole percents.",
    "cluster.mirrors_among_users": "{name} mirrors to {subset} while users are on it.",
    "cluster.mirrors_another_share": "{name} mirrors {share} of the requests and not {wanted}.",
    "cluster.mirrors_every_method": "{name} mirrors every method and not only {methods}.",
    "cluster.inserted_is_left": "{name} still has a mirroring route that canary-bot inserted.",
    "cluster.inserted_was_changed": "The mirroring route that canary-bot inserted in {name} was changed, or no longer "
    "copies its original.",
    "cluster.nothing_to_mirror": "Nothing could be mirrored: no managed route of {name} lets {methods} through.",
    # annotations
    "cluster.held_by_another": "{name} belongs to rollout {owner}. Finish or abort that one first.",
    "cluster.newer_annotation": "The annotation {annotation} of {name} was written by a newer canary-bot "
    "(version {theirs}, this one reads {ours}). Run the newer one again, or put the routes right by hand.",
    "cluster.damaged_annotation": "The annotation {annotation} of {name} is damaged. Put the routes right by hand.",
    "cluster.unsigned_annotation": "The annotation {annotation} of {name} is not signed, so it is not believed. "
    "Somebody else wrote it, or CANARY_SIGNING_KEY was set since.",
    "cluster.missigned_annotation": "The annotation {annotation} of {name} is not what this bot has signed, so it is "
    "not believed. Somebody else wrote it, or CANARY_SIGNING_KEY is another one than it was then.",
    "cluster.mirrored_already": "{name} already mirrors to {subset}. Remove that mirror first.",
    # how far a Deployment is
    "cluster.deployment_paused": "{name} is paused: {command} lets it go on.",
    "cluster.template_not_seen": "{name}: its controller has not seen the newest template yet.",
    "cluster.deadline_missed": "{name} made no progress within its {field}.",
    "cluster.scaled_to_zero": "{name} is scaled to zero.",
    "cluster.pods_updated": "{name}: {n} of {wanted:pod|pods} {wanted:has|have:bare} the newest template.",
    "cluster.old_pods": "{name}: {n:old pod|old pods} {n:is|are:bare} still to go.",
    "cluster.pods_available": "{name}: {n} of {wanted:pod|pods} {wanted:is|are:bare} available.",
    "cluster.no_new_replica_set": "{name}: no ReplicaSet has the newest template yet.",
    # tools that keep an object
    "cluster.gitops_rules": "{command} prints the rules that make it leave a rollout alone.",
    "cluster.no_helm_upgrade": "Run no {command} of it until the rollout has ended.",
    "cluster.image_to_git": "The promoted image must go to git as well.",
    "cluster.hosts_to_name": "To the policy {policy} these hosts are no versions of one service. Put {pattern} into "
    "its variable {variable}, or an expression that later versions match as well.",
}
