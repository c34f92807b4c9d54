"""What is said of the systems that the bot speaks with, in English."""

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "adapters.no_istio_series": (
        "There is no series `istio_requests_total`, so nothing can be judged. "
        "Does Prometheus scrape the proxies of the mesh, and have they had a request yet?"
    ),
    "adapters.watchdog_silent": "The watchdog of namespace {namespace} has said nothing for {silence}: is it running?",
    "adapters.watchdog_limit": (
        "DEAD_MAN_SECONDS is {ours} here and {theirs} at the watchdog of namespace {namespace}: "
        "it acts after the longer of the two. Give both the same."
    ),
    "adapters.watchdog_unreadable": "{why} The Role of canary-bot needs `get` of it.",
    "adapters.and_more": "And {n} more: `canary-bot check` names all.",
    "adapters.had_a_rollout": "{service} had a rollout until a moment ago. Try again.",
    "adapters.old_lease": "lets nobody change {service} with an old lease: another replica leads now.",
    # failures of Kubernetes: what could not be done, and why
    "adapters.could_not": "Could not {doing}: {why:clause}.",
    "adapters.not_ready": "The API server says that it is not ready: {parts}.",
    "adapters.do_ready": "ask the API server whether it is ready",
    "adapters.do_version": "read the server's version",
    "adapters.do_discover": "discover {group}",
    "adapters.do_read": "read {thing}",
    "adapters.do_list": "list {kind}s of {namespace}",
    "adapters.do_list_all": "list {kind}s of all namespaces",
    "adapters.do_watch": "watch {kind}s of {namespace}",
    "adapters.do_ask_who": "ask who we are",
    "adapters.do_ask_rights": "ask what we may do",
    "adapters.do_update": "update {thing}",
    "adapters.do_create": "create {thing}",
    "adapters.do_delete": "delete {thing}",
    "adapters.do_patch": "patch {thing}",
    "adapters.no_watch": "what arrives is no watch",
    "adapters.not_served": "nothing of that kind is served",
    "adapters.group_not_served": "the cluster serves no {group}",
    "adapters.not_there": "it does not exist",
    "adapters.not_renewed": "the credentials cannot be renewed",
    "adapters.nobody_there": "nothing answers at the API server's address",
    "adapters.server_late": "the API server did not answer in time",
    "adapters.server_unreached": "the API server cannot be reached ({kind})",
    "adapters.no_cluster": "Cannot tell which Kubernetes cluster to use: {why:clause}. Set {setting}.",
    "adapters.no_kubeconfig": "The kubeconfig {file} cannot be read ({kind}).",
    "adapters.no_istio": "The cluster serves no {group}: is Istio installed?",
    "adapters.too_old": "The API server is too old to list {kind}s: that takes Kubernetes {since}.",
    "adapters.no_such_name": "has no object called {name}.",
    "adapters.no_list": "sent a list that is none.",
    "adapters.nameless": "sent a {kind} without a name.",
    "adapters.unreadable": "sent what cannot be read ({kind}).",
    "adapters.misshapen": "{thing} cannot be read: {field} is not what its API says.",
    "adapters.is_null": "{thing} cannot be read: its spec or status is null.",
    "adapters.no_number_of_pods": "{thing} cannot be read: {field} is no number of pods.",
    "adapters.field_missing": "{thing} cannot be read: {field} is missing.",
    "adapters.gone": "{thing} does not exist.",
    "adapters.busy": "{thing} is written by others all the time. Giving up for now.",
    "adapters.routes_changed": "Somebody changed the managed routes of {thing}.",
    "adapters.routes_changed_by": "{who} changed the managed routes of {thing}.",
    "adapters.newer_decision": "holds a newer decision about {thing}, so nothing was written.",
    "adapters.alive_again": "{thing} has a heartbeat again.",
    # failures of Prometheus
    "adapters.not_everything": "did not answer everything within {n:second|seconds}.",
    "adapters.own_queries_late": "did not answer the service's own queries in time.",
    "adapters.own_queries_within": "did not answer the service's own queries within {n:second|seconds}.",
    "adapters.query_late": "did not answer within {n:second|seconds}.",
    "adapters.too_long": "answered the query for {about} with more than one number.",
    "adapters.partial_answer": "has only a part of the data for {about}: a store behind it could not be asked.",
    "adapters.odd_answer": "gave an answer to the query for {about} that is not its API's.",
    "adapters.unreached": "cannot be reached ({kind}).",
    "adapters.bad_credentials": "refuses our credentials (HTTP {status}).",
    "adapters.query_refused": "refuses the query for {about} (HTTP {status}).",
    "adapters.query_failed": "failed to answer the query for {about} (HTTP {status}).",
    # failures of Redis
    "adapters.redis_late": "did not answer in time.",
    "adapters.redis_unreached": "cannot be reached.",
    "adapters.redis_login": "refuses our user or password.",
    "adapters.redis_rights": "does not allow our user this command or key.",
    "adapters.redis_loading": "is still loading its data.",
    "adapters.redis_cluster_down": "is a cluster that is down.",
    "adapters.redis_no_node": "is a cluster none of whose nodes can be reached.",
    "adapters.redis_replica": "is a replica and takes no writes.",
    "adapters.redis_full": "has no memory left for writes.",
    "adapters.redis_wrong_kind": "holds another kind of value under one of canary-bot's keys ({keys}): "
    "somebody else has written there. Look with {command} and delete that key.",
    "adapters.redis_error": "answered with an error ({kind}).",
    "adapters.sentinel_login": "has sentinels that refuse our user or password: see {setting}.",
    "adapters.no_master": "cannot be reached: no sentinel answers that knows a living master of that name. "
    "Is the name right, do they run, and are their certificates those of {setting}?",
    "adapters.redis_distrusted": "shows a certificate that is not trusted ({why}). See {setting}.",
    "adapters.redis_no_tls": "and canary-bot cannot agree on TLS: does that port speak it ({scheme})?",
    "adapters.no_container": "Deployment {name} has no container named {containers}.",
    # records in Redis
    "adapters.not_believed": "holds {what} that {why}",
    "adapters.a_rollout": "rollout {id}",
    "adapters.a_notification": "a notification",
    "adapters.a_freeze": "a freeze of {scope}",
    "adapters.not_signed": "is not signed: somebody else wrote it, or a canary-bot without {setting}. "
    "{command} signs what is there, for whoever knows that it is right.",
    "adapters.signed_otherwise": "is not what a canary-bot with our {setting} wrote: somebody changed it, or the key.",
    "adapters.do_read_rollout": "read rollout {id}",
    "adapters.do_read_notification": "read a notification of {key}",
    "adapters.set_aside": "holds {n:notification|notifications} of {key} that cannot be read: {why} "
    "Kept under {place}, and tried again when a replica begins to lead.",
    "adapters.something_else": "holds something else for those of {key}.",
    "adapters.kept": "It is kept as it is, and a version that can read it shows it.",
    "adapters.held_already": "already holds a rollout {id} of {service}.",
    "adapters.another_revision": "holds another revision of {service}'s rollout {id} than {revision}: "
    "somebody else changed it first.",
    "adapters.abort_by_annotations": "{command} ends it by the annotations on its VirtualService, "
    "where those can be read.",
    "adapters.broken_rollout": "holds a rollout that cannot be read: {why}.",
    "adapters.newer_schema": "holds rollout {id} in schema {theirs}, written by a newer canary-bot. "
    "This one reads up to schema {ours}. Run the newer version again.",
    "adapters.broken_line": "holds a line of a story that cannot be read: {why}.",
    "adapters.broken_freeze": "holds a freeze in {key} that cannot be read: {why}. Delete that field of the hash.",
    "adapters.broken_freeze_line": "holds a line about freezes that cannot be read: {why}.",
    "adapters.wrong_fields": "wrong or missing {fields}",
    "adapters.webhook_no_host": "its host name cannot be resolved.",
    "adapters.webhook_tls": "its TLS certificate is not one to trust, or it speaks no TLS.",
    "adapters.webhook_closed": "nothing listens there.",
    "adapters.webhook_no_answer": "it gave no answer that is HTTP.",
    "adapters.webhook_late": "no whole answer within {timeout}.",
    "adapters.webhook_too_large": "its answer is larger than 64 KB.",
    "adapters.webhook_no_secret": "there is no secret to sign with at {where}.",
    "adapters.webhook_elsewhere": "it answered {answer}, and redirects are not followed.",
    "adapters.webhook_refused": "{answer}.",
    # which cluster, and which Redis
    "adapters.where": "{host} ({named})",
    "adapters.own_account": "the pod's own service account",
    "adapters.context": "context {name}",
    "adapters.embedded_too_deep": "The directory of the embedded Redis is too deep for a socket; choose a "
    "shorter path: {directory}",
    "adapters.embedded_unusable": "The embedded Redis cannot use {directory}: {why}.",
    "adapters.embedded_not_started": "did not start; see {log}.",
    "adapters.no_redis_server": "There is no redis-server for {setting}. Install it ({command}, or your "
    "system's redis-server), or point {url} at a running Redis.",
    "adapters.nothing_to_sign_with": "{setting} is not set, so there is nothing to sign with.",
    "adapters.redis_url": "{url} must look like {forms:or}; rediss stands for TLS.",
    "adapters.no_certificates": "{setting} holds no certificates (PEM) that can be read: {file}",
    # whether a Redis is one to rely on
    "adapters.redis_open_unknown": "whether it lets in who comes without a password could not be found out.",
    "adapters.redis_open": "asks for no password: whoever reaches it may change rollouts. Give the bot a "
    "user of its own, and the default user a password (docs/redis.md).",
    "adapters.redis_unsigned": "holds unsigned texts ({n}), which are not believed. The bot signs them once, "
    "as it starts with a key for the first time; later {command} signs what is "
    "there, for whoever knows that it is right.",
    "adapters.redis_signed_otherwise": "holds texts ({n}) that were not signed with {key} or changed since; they are "
    "not believed. After a change of keys set NEW,OLD. Otherwise find out who else "
    "may write there.",
    "adapters.redis_others_sign": "was signed by a canary-bot with a key, and this one has none: set {key} "
    "({command}) for the bot and its watchdog, the same everywhere.",
    "adapters.redis_nobody_signs": "holds nothing that says who wrote it: whoever may write there is believed. To "
    "end that, set {key} ({command}) for the bot and its watchdog.",
    "adapters.redis_user": "we are its user {user}",
    "adapters.redis_is_replica": "is a replica, which takes no writes: name the master in {url}, or the sentinels.",
    "adapters.redis_no_scripts": "lets us run no scripts, and every write is one: grant {right} (docs/redis.md).",
    "adapters.redis_forgets": "keeps nothing on disk: after its restart rollouts are only known by the "
    "annotations of their VirtualServices. Set {setting}, or at least {other}.",
    "adapters.redis_evicts": "may evict {what} when its memory is full ({setting}): set it to noeviction.",
    "adapters.the_lease": "the lease",
    "adapters.live_rollouts": "live rollouts",
    "adapters.redis_may_not_ask": "{what} is not known: our user may not ask it ({question}). Look yourself, or "
    "grant {right}.",
    "adapters.whether_writes": "whether it takes writes",
    "adapters.whether_snapshots": "whether it writes snapshots",
    "adapters.whether_evicts": "whether it evicts keys when its memory is full",
    # what a query is for
    "adapters.about_clock": "Prometheus's clock",
    "adapters.about_counts": "counts",
    "adapters.about_inside": "counters as they went",
    "adapters.about_liveness": "liveness",
    "adapters.about_istio": "Istio's requests",
    "adapters.about_gate": "custom gate {name}",
    "adapters.about_answers": "answers",
    "adapters.about_buckets": "latency buckets",
    "adapters.about_traffic": "the primary's requests",
    "adapters.about_reporters": "who reports",
    "adapters.about_proxies": "scraped proxies",
    "adapters.about_clusters": "clusters",
    "adapters.about_reached": "callers of the canary",
    "adapters.about_calls": "callers of the service",
    "adapters.about_targets": "who shows them",
    "adapters.about_newest": "the newest scrape",
}
