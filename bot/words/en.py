"""What the bot says in English: every sentence by its name. How a template is written stands in ``rendering``.

The point first, then why, then what to do; at most 25 words a sentence. What a sentence rests on goes in by name, so
that another language may order it otherwise.
"""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "words.together": "{sentences:sentences}",
    "words.endless": "without end",
    "words.seconds": "{n:second|seconds}",
    "words.minutes": "{n:minute|minutes}",
    "words.hours": "{n:hour|hours}",
}

ROLLOUT: Mapping[str, str] = {
    # phrases, stages
    "rollout.stage_mirror": "mirror",
    "rollout.stage_shift": "{share} of users",
    "rollout.stage_upgrade": "primary upgrade",
    "rollout.stage_return": "return of {share} of users",
    "rollout.stage_watch": "final watch",
    "rollout.stage_finish": "finish",
    "rollout.stage_restore": "primary restore",
    "rollout.stage_scale_up": "primary scale-up",
    "rollout.stage_home": "return to the primary",
    "rollout.doing_shift": "{share} of users go to {version}.",
    "rollout.doing_upgrade": "{primary} is upgraded to {version}. All users stay on the canary meanwhile.",
    "rollout.doing_return": "{share} of users are on {primary}, which now runs {version}.",
    "rollout.doing_join": "{primary} now runs {version} and serves users beside the canary.",
    "rollout.doing_watch": "All users are on {version}. It is watched for another {time}.",
    "rollout.doing_last": "All users are on {version}.",
    "rollout.doing_restore": "{primary} gets its old image back.",
    "rollout.doing_scale_up": "Waiting until {primary} has enough pods for everyone.",
    "rollout.doing_home": "All users return to {primary}.",
    # phrases, where it is
    "rollout.is_promoted": "promoted",
    "rollout.is_aborted": "aborted",
    "rollout.is_refused": "refused",
    "rollout.is_abandoned": "abandoned",
    "rollout.is_checked": "checks before the start",
    "rollout.is_halted": "{stage}, halted",
    "rollout.is_paused": "{stage}, paused",
    "rollout.is_on_hold": "{stage}, on hold",
    "rollout.is_going_back": "going back: {stage}",
    "rollout.is_because": "{place}: {why:clause}",
    # phrases, what happened to it
    "rollout.started": "{who} started {service} {version}.",
    "rollout.started_with_warnings": "{who} started {service} {version}. Known warnings: {warnings:sentences}",
    "rollout.aborted": "Aborted at {stage}. {facts:sentences}",
    "rollout.aborted_by": "{who} aborted at {stage}: {facts:sentences}",
    "rollout.taken_back": "Aborted. {facts:sentences}",
    "rollout.taken_back_by": "{who} aborted: {facts:sentences}",
    "rollout.users_return": "All users return to the primary now.",
    "rollout.users_return_later": "Users stay on {version} until {primary} is restored, then return to it.",
    "rollout.restored_first": "{primary} is restored before any user returns to it.",
    "rollout.abandoned": "{who} abandoned the rollout at {stage}: {why}. "
    "Nothing is moved: routes and the image of {primary} stay as they are. "
    "canary-bot takes its annotations off VirtualService {name}.",
    "rollout.accepted": "{who} accepted it as it is: all users stay on {version} ({canary}). "
    "{primary} is left as it is and has no users.",
    "rollout.promoted": "{version} is promoted: all users are on {primary}, which was upgraded. It took {took}.",
    "rollout.promoted_on_canary": "{version} is promoted: all users are on {canary}. It took {took}.",
    "rollout.home": "Abort complete: all users are back on {primary}.",
    "rollout.home_upgraded": "Abort complete: all users are on {primary}, which still has the image of {version}. "
    "Put the old one back by hand.",
    "rollout.home_with_images": "Abort complete: all users are on {primary}, with the image it has now ({images}). "
    "If that is not the old one, put the old one back by hand.",
    "rollout.home_with_some_image": "Abort complete: all users are on {primary}, with the image it has now. "
    "If that is not the old one, put the old one back by hand.",
    # phrases, questions and summaries
    "rollout.shift_to": "Shift {share} of users to {version}?",
    "rollout.upgrade_to": "Upgrade {primary} to {version}?",
    "rollout.return_to": "Return {share} of users to the upgraded {primary}?",
    "rollout.join": "Return users to the upgraded {primary}?",
    "rollout.go_on_after": "Go on after {stage}?",
    "rollout.stage_done": "{stage} done. {findings:sentences}",
    "rollout.stage_done_unsure": "{stage} done: no problem seen, too little traffic to be sure. {findings:sentences}",
    "rollout.stage_left_in_doubt": "{stage} ended with a doubt. {findings:sentences}",
    # questions
    "rollout.asked": "{question} {notes:sentences}",
    "rollout.asked_again": "A decision is needed again: {question}",
    "rollout.approvals_needed": "{n:approval is|approvals are} needed.",
    "rollout.known_warnings": "Known warnings (from the start): {warnings:sentences}",
    "rollout.withdrawn": "No decision needed any more: {why}",
    # decide
    "rollout.refused": "{service} {version} was not started. {reasons:sentences}",
    "rollout.nothing_to_approve": "{service} needs no approval now ({where}). The card asks when it does.",
    "rollout.not_ones_own": "You started this rollout, so somebody else must approve it.",
    "rollout.approved_already": "You have approved this already. Somebody else is needed now.",
    "rollout.approved": "{who} approved {stage} ({given} of {needed}).",
    "rollout.aborting_already": "{service} is being aborted already.",
    "rollout.abandon_needs_reason": "Give a reason for abandoning {service}: it is kept with the rollout.",
    "rollout.not_to_be_paused": "{service} cannot be paused now ({where}).",
    "rollout.paused_already": "{service} is paused already.",
    "rollout.paused": "{who} paused at {stage}. Routes stay as they are, and bad figures still abort.",
    "rollout.not_paused": "{service} is not paused ({where}).",
    "rollout.resumed": "{who} resumed at {stage}.",
    "rollout.nothing_to_restore": "Nobody else has changed anything of {service}, so there is nothing to decide.",
    "rollout.retried": "{who} tries {stage} again.",
    "rollout.users_on_both": "Users are on both versions, so this cannot be left as it is. Retry or abort.",
    "rollout.halted_and_bad": "{version} has all users and looks bad now. {why} "
    "Nothing moves by itself here: abort, or repair it.",
    "rollout.halted_and_good": "{version} looks good again. The rollout is still halted.",
    "rollout.upgraded_unawares": "{primary} has the image of {version} already. "
    "It is restored before any user returns to it.",
    "rollout.nobody_approved": "Nobody approved {stage} within {time}.",
    "rollout.waits_for_approval": "{why} Routes stay as they are until somebody approves or aborts.",
    "rollout.has_ended": "{service} {version} has ended ({how}).",
    "rollout.not_halted": "{service} is not halted ({where}).",
    # transitions
    "rollout.no_such_step": "{service} cannot go from {there} to {then}.",
    # holds
    "rollout.holding": "{why} Staying at {stage}.",
    "rollout.way_back_holds": "{why} The way back waits at {stage}.",
    "rollout.holding_again": "{why} Staying at {stage} again.",
    "rollout.holding_until_calm": "{why} Staying at {stage} again, until this has been over for {calm}.",
    "rollout.still_holding": "{why} On hold at {stage} for {lasted} now. Please look.",
    "rollout.hold_over": "Hold over after {lasted}, going on at {stage}.",
    "rollout.hold_over_mirror": "Hold over after {lasted}, mirroring continues.",
    # obstacles
    "rollout.virtual_service": "VirtualService {name}",
    "rollout.deployment": "Deployment {name}",
    "rollout.either": "{one} or {other}",
    "rollout.write_turned_down": "{why} canary-bot keeps trying.",
    "rollout.write_fails": "VirtualService {name} cannot be written for {stage}. canary-bot keeps trying.",
    "rollout.route_gone": "VirtualService {name} no longer exists. Nothing is moved.",
    "rollout.abandon_ends": "{command} ends this rollout.",
    "rollout.api_unreadable": "The Kubernetes API cannot be read. Routes stay as they are.",
    "rollout.unreadable": "{what} cannot be read. Routes stay as they are.",
    "rollout.may_not_read": "canary-bot is not allowed to read {what}. Routes stay as they are.",
    "rollout.partly_missing": "{what} cannot be read, because a part of it does not exist. Routes stay as they are.",
    "rollout.read_timed_out": "{what} cannot be read: the API server did not answer in time. Routes stay as they are.",
    # compare
    "rollout.canary_unseen": "{name} cannot be seen now, so it is not scaled down.",
    "rollout.no_ready_pod": "{name} has no ready pod.",
    "rollout.receiver_unseen": "Pods of {name} cannot be seen, so nobody is sent there.",
    "rollout.not_restored": "{name} is not restored yet ({ready} of {wanted} pods are ready).",
    "rollout.not_upgraded": "{name} is not upgraded yet ({ready} of {wanted} pods are ready).",
    "rollout.too_few_pods": "{name} has {ready} of the {needed} ready pods that {share} of users need.",
    "rollout.users_unseen": "Whether {name} has users cannot be seen, so its image stays as it is.",
    "rollout.nobody_keeps_users": "{name} has no ready pod to keep the users meanwhile.",
    # plans
    "rollout.weights_whole": "Weights are whole percent from 1 to 100, not {weights}.",
    "rollout.weights_rise": "Weights must rise, and these do not: {weights}.",
    "rollout.weights_end": "Weights must end at 100, so that no user is on the primary while it is replaced.",
    "rollout.no_auto": "{service} cannot be started with {option}: somebody else must approve it. "
    "It can where services.yaml says {setting}.",
    # deadman
    "rollout.watchdog_home": "canary-bot was silent for {silence}, so the watchdog sent everyone back to {primary} "
    "({at}).",
    "rollout.watchdog_mirror": "canary-bot was silent for {silence}, so the watchdog ended mirroring to "
    "{canary} ({at}).",
    "rollout.watchdog_kept": "canary-bot was silent for {silence}, so the watchdog kept everyone on {canary} ({at}).",
    "rollout.watchdog_canary": "canary-bot was silent for {silence}, so the watchdog sent everyone to {canary} ({at}).",
    "rollout.left_at_home": "All users are on {primary}, so nothing was changed. "
    "canary-bot has been silent for {silence}.",
    "rollout.left_as_it_is": "A person must decide: canary-bot has been silent for {silence}. "
    "Neither {primary} nor {canary} is better for users than where they are, so nothing was changed.",
    # drift, what is otherwise
    "rollout.nothing_there": "none",
    "rollout.there": "there",
    "rollout.split": "traffic split",
    "rollout.owner": "rollout annotation",
    "rollout.annotations": "canary-bot's annotations",
    "rollout.routes_because": "something else ({why:clause})",
    "rollout.other_routes": "something else",
    "rollout.mirroring": "mirroring",
    "rollout.switched_on": "on",
    "rollout.switched_off": "off",
    "rollout.the_first": "the one at the start",
    "rollout.another": "another of that name",
    "rollout.image": "image",
    "rollout.image_of": "image of {container}",
    "rollout.pod_labels": "pod labels",
    "rollout.as_recorded": "as at the start",
    "rollout.others": "others",
    "rollout.digest_of": "image that pods of {name} run",
    "rollout.difference": "{what} {before} → {after}",
    # drift, what is said about it
    "rollout.writer_at": "{who}, {at}",
    "rollout.edited": "Someone changed {thing}: {changes}.",
    "rollout.edited_by": "Someone changed {thing} ({who}): {changes}.",
    "rollout.split_edited": "Someone changed the traffic split of {name}: {ours} → {theirs}.",
    "rollout.split_edited_by": "Someone changed the traffic split of {name} ({who}): {ours} → {theirs}.",
    "rollout.removed": "Someone removed {thing}.",
    "rollout.annotations_removed": "Someone removed canary-bot's annotations from {thing}.",
    "rollout.changed_again": "canary-bot has put it back {times:time|times} already, and {who} changed it again.",
    "rollout.is_a_tool": "{who} is {tool}. {rules}",
    "rollout.may_be_a_tool": "If {who} is a tool, make it leave this object alone while a rollout runs.",
    "rollout.drift": "{facts:sentences}",
    "rollout.choices": "Restore puts ours back, Hold keeps the change and waits, Abort takes all users back.",
    "rollout.choices_of_split": "Restore puts {ours} back, Hold keeps {theirs} and waits, Abort takes all users back.",
    "rollout.choices_without_restore": "Hold keeps the change and waits, Abort takes all users back.",
    "rollout.not_restorable": "canary-bot cannot put ours back: it has users, or it is another object now.",
    "rollout.without_answer": "Without an answer within {time}, {default}.",
    "rollout.will_abort": "the rollout aborts",
    "rollout.will_restore": "ours is put back",
    "rollout.will_hold": "the change stays and the rollout waits",
    "rollout.nobody_chose": "Nobody chose what to do within {time}.",
    "rollout.theirs_kept_already": "{service} waits with that change already.",
    "rollout.theirs_kept": "{why} The change stays ({changes}). The rollout waits until it is undone, "
    "restored or aborted.",
    "rollout.theirs_kept_by": "{who} keeps the change ({changes}). "
    "The rollout waits until it is undone, restored or aborted.",
    "rollout.cannot_restore": "canary-bot cannot restore {things}. Undo the change by hand, hold, or abort.",
    "rollout.restored": "{why} Putting it back: {changes}.",
    "rollout.restored_by": "{who} puts it back: {changes}.",
    "rollout.undone": "The change was undone after {lasted}, going on at {stage}.",
    # pods
    "rollout.users": "{share} of users",
    "rollout.mirrored_requests": "mirrored requests",
    "rollout.other_image": "{n:ready pod|ready pods} of {name} {n:runs|run:bare} another image than its Deployment "
    "asks for, with {load}.",
    "rollout.stuck": "{name} is stuck: its new pod cannot start ({why}).",
    "rollout.stuck_uncreated": "{name} is stuck: its new pods may not be created ({why}).",
    "rollout.stuck_pull": "{name} is stuck: its new pod cannot pull the image ({why}).",
    "rollout.stuck_crashing": "{name} is stuck: its new pod is in a crash loop ({n:restart|restarts}).",
    "rollout.stuck_unscheduled": "{name} is stuck: no node takes its new pod ({why}).",
    "rollout.edited_routes_strand": "{name} has no ready pod, and the routes, which somebody edited, may send "
    "users there.",
    "rollout.stranded": "{share} of users are on {name}, which has no ready pod.",
    "rollout.crash_loop": "{name} is in a crash loop while it has {load}: {why}.",
    "rollout.out_of_memory": "{name} ran out of memory (OOMKilled) while it has {load}: {why}.",
    "rollout.restarted": "{name} was restarted while it has {load}: {why}.",
    "rollout.restarts": "{n:restart|restarts} of {containers} in {pods:pod|pods} since {stage} began",
    "rollout.restarts_for": "{n:restart|restarts} of {containers} in {pods:pod|pods} since {stage} began, "
    "the last for {reasons}",
    "rollout.cannot_start": "{pods:pod|pods} of {name} cannot start: {reasons}.",
    "rollout.too_few_pods_for": "{name} has {ready} of the {needed} ready pods that {share} of users need, "
    "for {lasted} now.",
    "rollout.wants_fewer": "{name} asks for {n:pod|pods}. At the start {load} carried {share} of users.",
    # retreat
    "rollout.ended": "{facts:sentences}",
    "rollout.ended_without_route": "Abort complete: VirtualService {name} no longer exists, so nobody can be moved.",
    "rollout.image_unknown": "Check which image {primary} has: it may be that of {version}.",
    "rollout.image_left": "{primary} has the image of {version}. Put the old one back by hand.",
    "rollout.orphaned": "Neither {primary} nor {canary} exists any more, so only the routes are put back.",
    "rollout.canary_gone": "{canary} has no ready pod, so users go to {primary} as it is now. "
    "Its image may have to be restored by hand.",
    "rollout.canary_gone_restoring": "{canary} has no ready pod, so users go to {primary}, which is still "
    "being restored.",
    "rollout.canary_back": "{canary} is ready again and keeps the users until {primary} is restored.",
    "rollout.makes_room": "{facts:sentences}",
    "rollout.too_few_for_all": "{primary} has {ready} of the {needed} ready pods that all users need.",
    "rollout.scaled_first": "It is scaled from {wanted} to {needed} first.",
    "rollout.nobody_served": "{canary} has no ready pod either: nobody can be served until then.",
    "rollout.users_stay_until_then": "Until then all users stay on {version} ({canary}).",
    "rollout.users_go_until_then": "Until then all users go to {version} ({canary}).",
    "rollout.grows": "{primary} asks for {n:pod|pods}, and all users need {needed}. It is scaled up meanwhile.",
    "rollout.return_anyway": "{primary} had only {ready} of {needed} pods ready within {time}. "
    "Users return all the same.",
    "rollout.not_scaled": "{primary} could not be scaled to {needed} pods within {time}: it asks for {wanted}. "
    "Please look.",
    "rollout.no_pod_in_time": "{primary} had no ready pod within {time}.",
    "rollout.pods_ready": "{name}: {ready} of {wanted} pods ready",
    "rollout.halted_without_primary": "{why} Users are where they were ({canary}). "
    "Bring {primary} up and retry, or accept it as it is.",
    "rollout.stuck_meanwhile": "{why} Users stay on {version}.",
    "rollout.upgrade_failed": "{primary} could not be upgraded.",
    "rollout.restore_failed": "{primary} could not be restored.",
    "rollout.not_ready_in_time": "It did not become ready within {time}.",
    "rollout.halted": "{why} All users stay on {version} ({canary}). "
    "Retry, abort (the old image is restored before any user returns), or accept it as it is.",
}

ANALYSIS: Mapping[str, str] = {}

PREFLIGHT: Mapping[str, str] = {
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
    "preflight.no_probe": "{container} of {name} has no readiness probe, so users arrive the moment its pods start.",
    "preflight.add_probe": "Add a {field} to the container.",
    "preflight.container_waits": "{container} in {pod} of {name} waits: {why}.",
    "preflight.restarted": "Containers of {name} were restarted {n:time|times}.",
    "preflight.restarted_because": "Containers of {name} were restarted {n:time|times} ({reasons}{last}).",
    "preflight.last_at": ", last at {last}",
    "preflight.see_logs": "Read their logs before users depend on them: {command}.",
    "preflight.no_history": "{name} keeps no old ReplicaSet ({field}).",
    "preflight.keep_history": "Aborting works all the same, {command} does not: set {field}.",
    "preflight.deadline_late": "{field} of {name} ({deadline}) is longer than {setting} ({patience}).",
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
    "preflight.some_without_sidecar": "{n:pod|pods} of the {pods} ready pods of {name} {n:has|have:bare} no sidecar "
    "({container}), so requests to {n:it|them:bare} are counted nowhere.",
    "preflight.delete_those": "{command} replaces {n:it|them:bare}.",
    "preflight.sidecar_not_ready": "The sidecar of {n:pod|pods} of the {pods} pods of {name} is not ready.",
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
    "preflight.same_account": "Pull secrets and permissions go with the account: give both {field}, or make sure "
    "that the primary's may do as much.",
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
}

CLUSTER: Mapping[str, str] = {}

CONTROLLER: Mapping[str, str] = {
    # abandoning
    "controller.annotations_stay": "canary-bot's annotations are still on VirtualService {name}: {why} "
    "{command} tries again. Until then a watchdog may move the users to the safe side.",
    "controller.nothing_to_abandon": "There is nothing to abandon: {service} has no live rollout, "
    "and VirtualService {name} carries no annotations of one.",
    "controller.annotations_in_use": "{service} has no live rollout. The annotations on VirtualService {name} "
    "belong to rollout {owner} of {other}, which is live.",
    "controller.another_bots": "The annotations on VirtualService {name} belong to rollout {owner} of another "
    "canary-bot, "
    "which has its own Redis. End it there.",
    "controller.annotations_go": "{who} had the annotations of rollout {owner} taken off VirtualService {name}: {why}.",
    # adoption
    "controller.image_never_had": "VirtualService {name} carries annotations of rollout {owner} "
    "that name image {image} for {primary}. None of its ReplicaSets has that image, so it is not used. "
    "Set the routes by hand. {command} takes the annotations off.",
    "controller.primary_changed_since": "VirtualService {name} carries annotations of rollout {owner}, which "
    "has ended. "
    "{primary} has changed since, so nobody is sent to it. "
    "Set the routes by hand. {command} takes the annotations off.",
    "controller.state_lost": "Redis had lost this rollout, so its annotations were used.",
    "controller.record_unreadable": "The record of rollout {owner} cannot be read, so its annotations were used.",
    "controller.annotations_back": "Rollout {owner} has ended, and somebody put its annotations back.",
    "controller.lost": "Redis had lost this rollout. It was found by its annotations on VirtualService {name} "
    "and is ended for safety.",
    # claims
    "controller.no_annotations": "VirtualService {name} carries no annotations that say how it was before.",
    "controller.bare_annotation": "VirtualService {name} belongs to rollout {owner}, but does not say how it "
    "was before.",
    "controller.nobody_knows_home": "So no abort can bring anybody home. Set the routes by hand. "
    "{command} ends the rollout and moves nobody.",
    "controller.annotations_live": "VirtualService {name} carries annotations of rollout {owner}, which is live and "
    "belongs to {other}. {service} itself has no rollout, and none can begin before that one has ended. {command}",
    "controller.annotations_of_other": "VirtualService {name} carries annotations of rollout {owner}, "
    "which is about Deployment {primary} and not about {ours}. Whoever releases that Deployment has to end it. "
    "{service} itself has no rollout.",
    "controller.annotations_odd": "VirtualService {name} carries annotations of rollout {owner} that name {odd}, "
    "which services.yaml does not say of {service}. Somebody else wrote that, or the file was changed meanwhile. "
    "Nothing is written because of it. Set the routes by hand. {command} takes the annotations off.",
    "controller.annotations_alive": "VirtualService {name} carries annotations of rollout {owner}, "
    "which another canary-bot with its own Redis runs: end it there. "
    "Once that bot has been silent for a while, {command} works here. {service} has no rollout in this Redis.",
    "controller.a_deployment": "Deployment {name}",
    "controller.a_namespace": "namespace {name}",
    "controller.a_virtual_service": "VirtualService {name}",
    "controller.a_place": "VirtualService's namespace {name}",
    "controller.a_destination_rule": "DestinationRule {name}",
    "controller.a_host": "host {name}",
    "controller.a_canary": "canary Deployment {name}",
    "controller.a_route": "http route {name}",
    "controller.held": "{name} still carries annotations of rollout {owner}.",
    "controller.held_bare": "{name} still carries annotations of rollout {owner}. {abandon} takes them off.",
    "controller.held_by_ended": "{name} still carries annotations of rollout {owner}, which has ended. "
    "{abandon} takes them off and moves nobody, {abort} brings everyone home first.",
    "controller.held_by_lost": "{name} still carries annotations of rollout {owner}. {command} cleans up.",
    # controller
    "controller.not_started": "{service} {version} was not started. Nothing has changed.",
    "controller.changing_too_fast": "has {service} changing too fast to be changed. Try again.",
    "controller.long_over": "That rollout is long over. Use the buttons of the newest card.",
    "controller.no_rollout": "{service} has no rollout. Start one with {command}.",
    "controller.freeze_changed": "The freeze of {what} has just changed. See {command}, then try again.",
    "controller.nobody_watches": "canary-bot cannot watch this rollout: {why} Users stay where they are. "
    "{command} sends them to the healthy side. The bot's log has more.",
    "controller.aborted_at_once": "{service} {version} was aborted at once. No user was moved.",
    "controller.already_rolling_out": "{version} is already rolling out ({where}). {command}",
    # decisions
    "controller.not_my_button": "This button does not work any more. Use the newest card of the rollout.",
    "controller.earlier_rollout": "That belongs to an earlier rollout: {service} {version} has ended ({how}). "
    "Use the buttons of the newest card.",
    "controller.out_of_date": "That button is out of date: the rollout has moved on since. The card has new ones.",
    "controller.no_reason": "no reason given.",
    # edges
    "controller.could_not": "Could not {doing}: {why}",
    "controller.internal_error": "an internal error ({error}).",
    "controller.doing_beat": "renew the heartbeat of {service}",
    "controller.doing_quiet": "end the heartbeat of {service}",
    "controller.doing_observe": "see {service} in the cluster",
    "controller.doing_read": "read the figures",
    "controller.doing_judge": "judge {service}",
    "controller.doing_adopt": "search for a lost rollout of {service}",
    "controller.doing_tell": "tell people of {service}",
    "controller.doing_reconcile": "bring {service} on",
    "controller.doing_write": "write what {service} needs",
    "controller.doing_look": "look at VirtualService {name}",
    "controller.doing_watch": "say that namespace {namespace} is watched",
    # forgotten
    "controller.readable_after_all": "holds a rollout of {service} that can be read after all. Try again.",
    "controller.nobody_watches_lost": "canary-bot cannot watch rollout {rollout} of {service}: Redis {why} "
    "Users stay where they are. {command} brings them home by the annotations on VirtualService {name}.",
    "controller.nothing_left_behind": "That rollout is long over, and it has left nothing behind.",
    # leadership, names, observe
    "controller.only_listens": "has given the lease to another replica, or cannot renew ours. This one only listens.",
    "controller.several_services": "Several services are called {name}. Say which: {keys:or}.",
    "controller.only_live": "{name} has no live rollout, and no other service is known: {trouble}",
    "controller.no_services": "There is no service {name} in services.yaml, which has none.",
    "controller.no_such_service": "There is no service {name} in services.yaml. Known: {known}.",
    "controller.prometheus_unasked": "Prometheus could not be asked: {why}",
    # rivals
    "controller.deployment_in_use": "{service} has a live rollout with {names} ({version}, {where}). "
    "A Deployment is in one rollout at a time. {command}",
    "controller.primary_of_other": "{name} is the primary of {other}, so it is no canary of {service}.",
    "controller.promoted_since": "{name} has what {other} {version} has promoted since, which is not taken back. "
    "{command} ends this rollout.",
    # start
    "controller.warning": "Warning: {text}",
    "controller.stops_a_start": "Stops a start: {reason}",
    "controller.freeze_unknown": "Whether {service} is frozen is not known: {system} {why}",
    "controller.room_unknown": "Whether the card can be posted to {channel} is not known: {system} {why}",
    "controller.nobody_told": "Nobody would be told of it. {why}",
    "controller.past_unknown": "The past of {name} is not known (Prometheus {why:clause}). "
    "So bursts of errors are not allowed for, and mirroring is not watched for harm.",
    "controller.admission_warns": "The API server accepts the routes and warns: {text:clause}.",
    "controller.no_plan": "There is no plan for {service} {version}: {why}",
    "controller.routes": "{old} on {primary}, {new} on {canary}",
    "controller.plan_upgrade": "{primary} gets {images}. Users stay on the canary until its pods are ready.",
    "controller.plan_finish": "Final routes: {routes}.",
    "controller.plan_mirror": "Users: {routes}. {share} of requests are mirrored for at least {time}.",
    "controller.plan_step": "Users: {routes}, for at least {time}.",
    "controller.then_people_approve": "Then people approve.",
    # watchdog
    "controller.forged_place": "VirtualService {name} carries annotations that name {odd}, "
    "which services.yaml does not say. Somebody else wrote them, and nobody is moved because of them.",
    "controller.forged_image": "VirtualService {name} carries annotations that name image {image}, "
    "which {primary} never had. Somebody else wrote them, and nobody is moved because of them.",
    "controller.rescue_failed": "The watchdog cannot bring users to safety. {why}",
    # the model, freezes and images
    "controller.all_services": "all services",
    "controller.frozen": "{name} is frozen since {since} by {who}, until somebody ends it: {reason:clause}.",
    "controller.frozen_until": "{name} is frozen since {since} by {who}, until {until}: {reason:clause}.",
    "controller.all_frozen": "All services are frozen since {since} by {who}, until somebody ends it: {reason:clause}.",
    "controller.all_frozen_until": "All services are frozen since {since} by {who}, until {until}: {reason:clause}.",
    "controller.different_images": "The pods of the canary run different images under {image}: {digests}.",
}

ADAPTERS: Mapping[str, str] = {
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
