"""The fields of Istio's VirtualService, DestinationRule and Gateway, as nested tables.

How to read them: a string is a leaf's JSON type; ``uint32`` an integer with that range; ``percent`` an unchecked
number (Istio's admission checks its range); a list holds the table of its items; ``MapOf`` allows any key; a trailing
``!`` annotations a required field. The rules between fields are in ``admission``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MapOf:
    """An object with free keys and values of one shape."""

    values: Any


_TEXTS = MapOf("string")
_MATCH = {"exact": "string", "prefix": "string", "regex": "string"}
_DESTINATION = {"host!": "string", "subset": "string", "port": {"number": "uint32"}}
_PERCENT = {"value": "percent"}
_OPERATIONS = {"add": _TEXTS, "set": _TEXTS, "remove": ["string"]}
_HEADERS = {"request": _OPERATIONS, "response": _OPERATIONS}

_HTTP_MATCH: Table = {
    "name": "string",
    "uri": _MATCH,
    "scheme": _MATCH,
    "method": _MATCH,
    "authority": _MATCH,
    "headers": MapOf(_MATCH),
    "withoutHeaders": MapOf(_MATCH),
    "queryParams": MapOf(_MATCH),
    "ignoreUriCase": "boolean",
    "port": "uint32",
    "gateways": ["string"],
    "sourceLabels": _TEXTS,
    "sourceNamespace": "string",
    "statPrefix": "string",
}
_HTTP_ROUTE: Table = {
    "name": "string",
    "match": [_HTTP_MATCH],
    "route": [{"destination!": _DESTINATION, "weight": "integer", "headers": _HEADERS}],
    "redirect": {
        "uri": "string",
        "authority": "string",
        "port": "uint32",
        "derivePort": "string",
        "prefixRewrite": "string",
        "scheme": "string",
        "redirectCode": "uint32",
    },
    "directResponse": {"status!": "uint32", "body": {"string": "string", "bytes": "string"}},
    "delegate": {"name": "string", "namespace": "string"},
    "rewrite": {
        "uri": "string",
        "authority": "string",
        "uriRegexRewrite": {"match": "string", "rewrite": "string"},
    },
    "timeout": "string",
    "retries": {
        "attempts": "integer",
        "backoff": "string",
        "perTryTimeout": "string",
        "retryOn": "string",
        "retryIgnorePreviousHosts": "boolean",
        "retryRemoteLocalities": "boolean",
    },
    "fault": {
        "abort": {"grpcStatus": "string", "http2Error": "string", "httpStatus": "integer", "percentage": _PERCENT},
        "delay": {
            "fixedDelay": "string",
            "exponentialDelay": "string",
            "percent": "integer",
            "percentage": _PERCENT,
        },
    },
    "mirror": _DESTINATION,
    "mirrors": [{"destination!": _DESTINATION, "percentage": _PERCENT}],
    "mirrorPercent": "uint32",
    "mirror_percent": "uint32",
    "mirrorPercentage": _PERCENT,
    "corsPolicy": {
        "allowOrigin": ["string"],
        "allowOrigins": [_MATCH],
        "allowMethods": ["string"],
        "allowHeaders": ["string"],
        "exposeHeaders": ["string"],
        "maxAge": "string",
        "allowCredentials": "boolean",
        "unmatchedPreflights": "string",
    },
    "headers": _HEADERS,
}
_L4_ROUTE = [{"destination!": _DESTINATION, "weight": "integer"}]
_L4_MATCH: Table = {
    "destinationSubnets": ["string"],
    "port": "uint32",
    "sourceLabels": _TEXTS,
    "gateways": ["string"],
    "sourceNamespace": "string",
}

VIRTUAL_SERVICE: Table = {
    "hosts": ["string"],
    "gateways": ["string"],
    "http": [_HTTP_ROUTE],
    "tls": [{"match!": [_L4_MATCH | {"sniHosts!": ["string"]}], "route": _L4_ROUTE}],
    "tcp": [{"match": [_L4_MATCH | {"sourceSubnet": "string"}], "route": _L4_ROUTE}],
    "exportTo": ["string"],
}

_CONNECTION_POOL: Table = {
    "tcp": {
        "maxConnections": "integer",
        "connectTimeout": "string",
        "maxConnectionDuration": "string",
        "idleTimeout": "string",
        "tcpKeepalive": {"probes": "uint32", "time": "string", "interval": "string"},
    },
    "http": {
        "http1MaxPendingRequests": "integer",
        "http2MaxRequests": "integer",
        "http2KeepAlive": {"interval": "string", "timeout": "string"},
        "maxRequestsPerConnection": "integer",
        "maxRetries": "integer",
        "idleTimeout": "string",
        "h2UpgradePolicy": "string",
        "useClientProtocol": "boolean",
        "maxConcurrentStreams": "integer",
    },
}
_FAILOVER = [{"from": "string", "to": "string"}]
_LOAD_BALANCER: Table = {
    "simple": "string",
    "consistentHash": {
        "httpHeaderName": "string",
        "httpCookie": {
            "name!": "string",
            "path": "string",
            "ttl": "string",
            "attributes": [{"name!": "string", "value": "string"}],
        },
        "useSourceIp": "boolean",
        "httpQueryParameterName": "string",
        "ringHash": {"minimumRingSize": "integer"},
        "maglev": {"tableSize": "integer"},
        "minimumRingSize": "integer",
    },
    "localityLbSetting": {
        "distribute": [{"from": "string", "to": MapOf("uint32")}],
        "failover": _FAILOVER,
        "failoverPriority": ["string"],
        "enabled": "boolean",
    },
    "zoneAwareLbSetting": {
        "enabled": "boolean",
        "failover": _FAILOVER,
        "failoverPriority": ["string"],
        "minClusterSize": "integer",
    },
    "backendUtilization": {
        "errorUtilizationPenaltyPercent": "uint32",
        "metricNamesForComputingUtilization": ["string"],
        "weightExpirationPeriod": "string",
        "weightStabilizationPeriod": "string",
        "weightUpdatePeriod": "string",
    },
    "warmupDurationSecs": "string",
    "warmup": {"duration!": "string", "minimumPercent": "number", "aggression": "number"},
}
_OUTLIER_DETECTION: Table = {
    "consecutiveErrors": "integer",
    "consecutiveGatewayErrors": "uint32",
    "consecutive5xxErrors": "uint32",
    "consecutiveLocalOriginFailures": "uint32",
    "splitExternalLocalOriginErrors": "boolean",
    "outlierDetectionHttpErrorCodes": ["integer"],
    "interval": "string",
    "baseEjectionTime": "string",
    "maxEjectionPercent": "integer",
    "minHealthPercent": "integer",
}
_CLIENT_TLS: Table = {
    "mode": "string",
    "clientCertificate": "string",
    "privateKey": "string",
    "caCertificates": "string",
    "caCrl": "string",
    "credentialName": "string",
    "subjectAltNames": ["string"],
    "sni": "string",
    "insecureSkipVerify": "boolean",
}
_PORT_POLICY: Table = {
    "loadBalancer": _LOAD_BALANCER,
    "connectionPool": _CONNECTION_POOL,
    "outlierDetection": _OUTLIER_DETECTION,
    "tls": _CLIENT_TLS,
}
_TRAFFIC_POLICY: Table = _PORT_POLICY | {
    "portLevelSettings": [_PORT_POLICY | {"port": {"number": "uint32"}}],
    "tunnel": {"protocol": "string", "targetHost!": "string", "targetPort!": "uint32"},
    "proxyProtocol": {"version": "string"},
    "retryBudget": {"percent": "number", "minRetryConcurrency": "uint32", "budgetInterval": "string"},
}

DESTINATION_RULE: Table = {
    "host!": "string",
    "subsets": [{"name!": "string", "labels": _TEXTS, "trafficPolicy": _TRAFFIC_POLICY}],
    "trafficPolicy": _TRAFFIC_POLICY,
    "exportTo": ["string"],
    "workloadSelector": {"matchLabels": _TEXTS},
}

_SERVER_TLS: Table = {
    "httpsRedirect": "boolean",
    "mode": "string",
    "serverCertificate": "string",
    "privateKey": "string",
    "caCertificates": "string",
    "caCrl": "string",
    "credentialName": "string",
    "credentialNames": ["string"],
    "caCertCredentialName": "string",
    "tlsCertificates": [{"serverCertificate": "string", "privateKey": "string", "caCertificates": "string"}],
    "subjectAltNames": ["string"],
    "insecureSkipVerify": "boolean",
    "verifyCertificateSpki": ["string"],
    "verifyCertificateHash": ["string"],
    "minProtocolVersion": "string",
    "maxProtocolVersion": "string",
    "cipherSuites": ["string"],
    "ecdhCurves": ["string"],
}

GATEWAY: Table = {
    "selector": _TEXTS,
    "servers": [
        {
            "port!": {"number!": "uint32", "protocol!": "string", "name!": "string", "targetPort": "uint32"},
            "bind": "string",
            "hosts!": ["string"],
            "tls": _SERVER_TLS,
            "defaultEndpoint": "string",
            "name": "string",
        }
    ],
}

SPECS: dict[str, Table] = {"VirtualService": VIRTUAL_SERVICE, "DestinationRule": DESTINATION_RULE, "Gateway": GATEWAY}
