"""The NetworkPolicies of docker/kubernetes, evaluated for connections that are needed and for some that are not."""

import pytest

from rakuten_assets_tests.docker.kustomized import OVERLAYS, launcher, named, pods

PROGRAMS = ("code-location", "dagster-webserver", "dagster-daemon", "metrics", "mlflow", "web-app", "worker", "run")

# Who speaks with whom: the pod's labels, and a pod or what is outside, and the port.
NEEDED = [
    *((name, "classifier", 3001) for name in ("web-app", "worker", "code-location", "run")),
    *((name, "code-location", 4000) for name in ("dagster-webserver", "dagster-daemon")),
    *((name, "mlflow", 5000) for name in ("code-location", "run", "metrics")),
    *((name, "postgres", 5432) for name in PROGRAMS),
    *((name, "minio", 9000) for name in (*PROGRAMS, "classifier")),
    *((name, "api", 443) for name in ("dagster-webserver", "dagster-daemon")),
    *((name, "outside", port) for name in ("code-location", "run") for port in (443, 587)),
    ("ingress", "web-app", 8080),
    ("caller", "classifier", 3001),
    *(
        ("monitoring", name, port)
        for name, port in (("classifier", 3001), ("metrics", 9400), ("web-app", 9401), ("worker", 9402))
    ),
]

REFUSED = [
    *(
        ("ingress", name, port)
        for name, port in (("classifier", 3001), ("mlflow", 5000), ("dagster-webserver", 3000), ("postgres", 5432))
    ),
    *(("caller", name, port) for name, port in (("mlflow", 5000), ("web-app", 8080))),
    *((name, "mlflow", 5000) for name in ("web-app", "worker", "classifier")),
    *((name, "code-location", 4000) for name in ("web-app", "worker", "run", "classifier")),
    *((name, "postgres", 5432) for name in ("classifier", "ingress")),
    *((name, "outside", 587) for name in ("web-app", "worker", "classifier", "mlflow", "dagster-daemon")),
    ("run", "api", 6443),
    ("code-location", "api", 6443),
    ("monitoring", "web-app", 8080),
]


@pytest.mark.parametrize(("source", "target", "port"), NEEDED, ids="{0}".format)
def test_the_network_lets_through_what_is_needed(source, target, port):
    assert passes(source, target, port)


@pytest.mark.parametrize(("source", "target", "port"), REFUSED, ids="{0}".format)
def test_the_network_stops_what_is_not(source, target, port):
    assert not passes(source, target, port)


def passes(source, target, port):
    """Whether the policies of the overlay dev let a connection through, at both ends."""
    inside = {name: pod["metadata"]["labels"] for name, pod in pods("dev").items()} | {"run": launcher()["labels"]}
    policies = [each["spec"] for each in named("dev", "NetworkPolicy").values()]
    ends = (("Egress", "egress", "to", source, target), ("Ingress", "ingress", "from", target, source))
    for kind, rules, side, here, there in ends:
        if here not in inside:
            continue
        own = [each for each in policies if kind in each["policyTypes"] and selects(each["podSelector"], inside[here])]
        assert own, "nobody is without a policy"
        allowed = [
            rule for each in own for rule in each.get(rules, []) if any(p["port"] == port for p in rule["ports"])
        ]
        if not any(reaches(rule.get(side), there, inside) for rule in allowed):
            return False
    return True


def reaches(peers, other, inside):
    if peers is None:
        return True
    for peer in peers:
        if "podSelector" in peer and other in inside and selects(peer["podSelector"], inside[other]):
            return True
        if peer.get("namespaceSelector", {}).get("matchLabels") == {"rakuten-role": other}:
            return True
        if "ipBlock" in peer and other == "outside":
            return True
    return False


def selects(selector, labels):
    return selector.get("matchLabels", {}).items() <= labels.items()


def test_nothing_is_reached_unless_a_policy_says_so():
    for overlay in OVERLAYS:
        policy = named(overlay, "NetworkPolicy")["nothing"]["spec"]
        assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        assert [each["spec"].get("type") for each in named(overlay, "Service").values()] == [None] * len(
            named(overlay, "Service")
        )
