"""The rehearsal: a workspace, a cluster and a mesh on one machine.

Everything here meets the bot only over the wires production has anyway (HTTP, WebSocket, Redis, Prometheus), is
never part of the wheel or the image, and never imports ``bot``.

What each part stands in for, and how true it is:

- ``kube``: a kube-apiserver and the controllers behind Deployments. True: HTTP and its errors, resourceVersions,
  watches with bookmarks, patches of all four kinds, managedFields, server-side dry runs, RBAC, schema validation by
  Istio's own CRDs, ReplicaSets, rolling updates, HPAs, Istio's validating webhook. Not there: etcd, other webhooks,
  quotas that bind, nodes.
- ``mesh``: Istio's data plane. True: a real Envoy that routes, mirrors and counts. ``mesh.xds`` stands in for istiod:
  it writes the routes of VirtualServices and DestinationRules for that Envoy, and for no sidecars and no mTLS.
- ``prometheus``: a real Prometheus that scrapes that Envoy and the pods. ``figures`` with ``promql`` is the other
  one, for stories that need many worlds at once: PromQL over ``traffic``, which works out from the routes what users
  did.
- ``redis``: a real Redis. ``redis_proxy`` lies before it, so that a story can stop at any command.
- ``slack``: a Slack workspace. True: the Web API's methods that the bot calls with their refusals and limits, Socket
  Mode, signed HTTP, Block Kit's validation, and a page to click on. Not there: OAuth, other workspaces, history.
- ``people`` act through the workspace alone; ``mesh.users`` send requests and remember each answer.
- ``wire`` announces every request between the bot and these systems: fail points, crashes and lost answers live
  there.
- ``referee`` and ``recorder`` watch from outside: what must never be written, and what users saw.
- ``world`` puts it all together, ``stories`` are played in it, ``scenarios`` names them, ``demo`` and ``up`` show
  them.
"""
