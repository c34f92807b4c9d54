"""What is said by who carries rollouts out, in English."""

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
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
    # adoptable
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
    "controller.changed_since": "{why} So it is asked anew: look at the card again.",
    "controller.question_withdrawn": "That question is withdrawn: {why}",
    "controller.question_gone": "That question is withdrawn ({where}).",
    "controller.question_changed": "Something has changed since you looked, so look again. "
    "The question is now: {question}",
    "controller.out_of_date": "The rollout has moved on since you looked ({where}).",
    "controller.no_reason": "no reason given.",
    # containment
    "controller.could_not": "Could not {doing}: {why}",
    "controller.internal_error": "an internal error ({error}).",
    "controller.doing_beat": "renew the heartbeat of {service}",
    "controller.doing_quiet": "end the heartbeat of {service}",
    "controller.doing_observe": "see {service} in the cluster",
    "controller.doing_read": "read the figures",
    "controller.doing_judge": "judge {service}",
    "controller.doing_adopt": "search for a lost rollout of {service}",
    "controller.doing_tell": "tell people of {service}",
    "controller.doing_webhook": "call webhook {name}",
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
    "controller.only_live": "{name} has no live rollout, and no other service is known. {trouble}",
    "controller.no_services": "There is no service {name} in services.yaml, which has none.",
    "controller.no_such_service": "There is no service {name} in services.yaml. Known: {known}.",
    "controller.prometheus_unasked": "Prometheus could not be asked: {why}",
    # rivals
    "controller.deployment_in_use": "{service} has a live rollout with {names} ({version}, {where}). "
    "A Deployment is in one rollout at a time. {command}",
    "controller.primary_of_other": "{name} is the primary of {other}, so it is no canary of {service}.",
    "controller.promoted_since": "{name} has what {other} {version} has promoted since, which is not taken back. "
    "{command} ends this rollout.",
    # rollback
    "controller.rollback_nothing": "{service} has had no rollout that could be rolled back.",
    "controller.rollback_not_promoted": "The last rollout of {service} was not promoted ({how}), so there is nothing "
    "to roll back.",
    "controller.rollback_other_way": "{service} {version} was not promoted by upgrading {primary} in its own subset. "
    "Start the old version as a canary instead.",
    "controller.rollback_already": "{service} was rolled back to {version} already.",
    "controller.rollback_too_late": "{service} {version} was promoted more than {limit} ago. Start the old version "
    "as a canary instead.",
    "controller.rollback_refused": "{service} cannot be rolled back to {version}. Nothing has changed.",
    "controller.rollback_no_canary": "{canary} has {ready} of the {needed} ready pods that all users need meanwhile. "
    "Scale it up, then try again.",
    "controller.rollback_other_canary": "{canary} does not run {version} any more, so users cannot wait there.",
    "controller.rollback_primary_changed": "{primary} has changed since {version} was promoted.",
    "controller.rollback_image_gone": "None of the ReplicaSets of {primary} has the image {image}, so it is not "
    "rolled back to it.",
    "controller.rollback_routes": "The routes of VirtualService {name} are not as the promotion left them.",
    "controller.rollback_live": "{version} is still rolling out. {command} takes everyone back.",
    "controller.rollback_abort": "Rolled back during the final watch.",
    "controller.no_drill": "{service} is not marked for drills. Write {key} under it in services.yaml, then try again.",
    # retrying
    "controller.retry_nothing": "{service} has had no rollout that could be retried. Type {command}.",
    "controller.retry_not_aborted": "Only an aborted rollout is retried, and the last one of {service} is another "
    "({how}). Type {command}.",
    "controller.retry_rollback": "a rollback to {version}",
    "controller.retry_too_old": "{service} {version} was aborted more than {limit} ago, so what passed then counts no "
    "more. Type {command}.",
    "controller.retry_none_passed": "{service} {version} was aborted before anything had passed, so there is nothing "
    "to leave out. Type {command}.",
    "controller.retry_elsewhere": "{service} {version} cannot be retried from {stage}. Type {commands:or}.",
    "controller.retry_other": "{service} {version} is not what was aborted, so all of it is tested anew. "
    "Nothing has changed. Type {command}.",
    "controller.retry_other_image": "{name} has another image now than before the abort.",
    "controller.retry_no_digest": "The pods of {name} do not show which image they run by its digest.",
    # start
    "controller.warning": "Warning: {text}",
    "controller.stops_a_start": "Stops a start: {reason}",
    "controller.freeze_unknown": "Whether {service} is frozen is not known: {system} {why}",
    "controller.room_unknown": "Whether the card can be posted to {channel} is not known: {system} {why}",
    "controller.nobody_told": "Nobody would be told of it. {why}",
    "controller.past_unknown": "The past of {name} is not known (Prometheus {why:clause}). "
    "So bursts of errors are not allowed for, and mirroring is not watched for harm.",
    "controller.admission_warns": "The API server accepts the routes and warns: {text:clause}.",
    "controller.no_plan": "There is no plan for {service} {version}.",
    "controller.routes": "{old} on {primary}, {new} on {canary}",
    "controller.plan_upgrade": "{primary} gets {images}. Users stay on the canary until its pods are ready.",
    "controller.plan_git": "Git is asked to give {primary} {images}, and waited for while users stay on the canary.",
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
    "controller.system_says": "{system} {why}",
}
