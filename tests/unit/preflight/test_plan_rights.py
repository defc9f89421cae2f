"""Rights that steps need: missing ones are named, what is not known is no pass, and commands grant exactly them."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from cutover_harness.cli.preflight_plan_output import as_script
from cutover_harness.inventory.model import Acl
from cutover_harness.mirror.spec import Batch
from cutover_harness.preflight.model import Severity
from cutover_harness.preflight.planned.acl_rules import AclIndex, Answer, allowed
from cutover_harness.preflight.planned.check import check
from cutover_harness.preflight.planned.grants import UNKNOWN_PRINCIPAL, commands
from cutover_harness.preflight.planned.needs import NEEDS, Operation, Resource, demands_of, table
from cutover_harness.preflight.planned.principals import principal_of
from cutover_harness.preflight.planned.rights import Rights
from cutover_harness.preflight.planned.scope import scope_of

from tests.unit.preflight.plan_facts import OURS, WORKER, acl, batch, facts, found, plan, secured

ORDERS, BILLING = Resource("TOPIC", "orders"), Resource("GROUP", "billing")
SYNCS = Resource("TOPIC", "mm2-offset-syncs.first.source.internal")
BOOTSTRAP = {"source": "s:9092", "target": "t:9092"}


def test_a_cluster_without_an_authorizer_allows_everything() -> None:
    checked = check(facts())
    assert (checked.findings, checked.grants) == ((), ())


def test_a_principal_with_all_rights_lacks_nothing() -> None:
    both = secured()
    checked = check(facts(worker=WORKER, source=both["source"], target=both["target"]))
    assert (checked.findings, checked.grants) == ((), ())


DEMANDS = sorted(
    {
        (each.need.cluster, each.resource, each.operation)
        for each in demands_of(scope_of(plan(reach=[{"kafka": "control"}], statuses="kafka:status"), {"orders"}))
        if each.need.party != "worker"
    },
    key=str,
)


@pytest.mark.parametrize(("cluster", "resource", "operation"), DEMANDS, ids=str)
def test_each_missing_right_is_named_and_granted(cluster: str, resource: Resource, operation: Operation) -> None:
    document = plan(reach=[{"kafka": "control"}], statuses="kafka:status")
    observed = {(res, op): Answer.GRANTED for _, res, op in DEMANDS}
    rights = {name: Rights(True, OURS, [acl("TOPIC", "*", "WRITE", WORKER)], dict(observed)) for name in BOOTSTRAP}
    both = {name: {"rights": its} for name, its in rights.items()}
    lacking = Rights(True, OURS, rights["source"].acls, observed | {(resource, operation): Answer.MISSING})
    both[cluster] = {"rights": lacking}
    checked = check(facts(document, worker=WORKER, source=both["source"], target=both["target"]))
    (finding,) = (each for each in checked.findings if each.rule != "spread")
    assert finding.rule == "missing-right"
    optional = resource.kind == "CLUSTER" or operation == Operation.DELETE
    optional = optional or (cluster, resource, operation) == ("source", BILLING, Operation.READ)
    assert finding.severity == (Severity.WARNING if optional else Severity.BLOCKER)
    assert finding.subject == f"{OURS} on the {cluster}"
    assert f"lacks {operation.words} on " in finding.reason
    (grant,) = checked.grants
    assert (grant.cluster, grant.operations, grant.resources) == (cluster, (operation.words,), (resource,))
    words = shlex.split(commands([grant], BOOTSTRAP)[1])  # type: ignore[arg-type]
    assert words[:3] == ["kafka-acls.sh", "--bootstrap-server", BOOTSTRAP[cluster]]
    assert words[5:9] == ["--add", "--allow-principal", OURS, "--operation"]
    assert words[9:] == [
        operation.words,
        *{"TOPIC": ["--topic", resource.name], "GROUP": ["--group", resource.name]}.get(resource.kind, ["--cluster"]),
    ]


def test_what_from_scratch_deletes_needs_the_right_to_delete() -> None:
    mirrored = Batch("first", (), ())
    topics = {mirrored.offset_syncs_topic, mirrored.checkpoints_topic}
    found = {(cluster, resource.name) for cluster, resource, operation in DEMANDS if operation == Operation.DELETE}
    assert found == {("target", topic) for topic in topics}
    hidden = secured(*((Resource("TOPIC", topic), Operation.DELETE) for topic in topics))
    checked = check(facts(worker=WORKER, source=hidden["source"], target=hidden["target"]))
    lines = [each for each in commands(checked.grants, BOOTSTRAP) if "Delete" in each]  # type: ignore[arg-type]
    assert [sum(topic in line for line in lines) for topic in sorted(topics)] == [1, 1]


def test_rights_of_one_kind_are_one_finding_and_one_command() -> None:
    both = secured((ORDERS, Operation.READ), (ORDERS, Operation.WRITE), (BILLING, Operation.READ))
    checked = check(facts(worker=WORKER, source=both["source"], target=both["target"]))
    assert [f"{each.subject} {each.reason.partition(' (')[0]}" for each in checked.findings] == [
        "User:mover on the source lacks Read on topic orders",
        "User:mover on the target lacks Read on group billing",
        "User:mover on the target lacks Read on topic orders",
        "User:mover on the source lacks Write on topic orders",
        "User:mover on the source lacks Read on group billing",
    ]
    assert len(checked.grants) == 4


def test_the_workers_principal_is_not_guessed() -> None:
    both = secured()
    by_rule = found(facts(source=both["source"], target=both["target"]))
    assert {each.severity for each in by_rule.pop("unknown-right")} == {Severity.UNKNOWN}
    assert by_rule == {}
    checked = check(facts(source=both["source"], target=both["target"]))
    assert {grant.principal for grant in checked.grants} == {UNKNOWN_PRINCIPAL}


def test_a_worker_without_write_may_be_a_super_user() -> None:
    both = secured(worker_acls=False)
    by_rule = found(facts(worker=WORKER, source=both["source"], target=both["target"]))
    assert {each.subject for each in by_rule["unknown-right"]} == {f"Connect's worker {WORKER} on the target"}
    assert {"super user" in each.reason for each in by_rule["unknown-right"]} == {True}


def test_a_worker_that_logs_in_as_the_plan_does_is_asked_for() -> None:
    both = secured((ORDERS, Operation.WRITE), worker_acls=False)
    by_rule = found(facts(worker=OURS, source=both["source"], target=both["target"]))
    lacking = {each.subject for each in by_rule["missing-right"]}
    assert lacking == {f"{OURS} on the source", f"Connect's worker {OURS} on the target"}


def unobserved(acls: list[Acl] | None, *granted: Operation) -> Rights:
    return Rights(True, OURS, acls, {(SYNCS, operation): Answer.GRANTED for operation in granted})


ELSEWHERE = {(ORDERS, Operation.READ): Answer.GRANTED}
LACKING = {(BILLING, Operation.READ): Answer.MISSING}
THERE = {(ORDERS, Operation.CREATE): Answer.NOT_NEEDED}


@pytest.mark.parametrize(
    ("rights", "answer"),
    [
        (unobserved(None, Operation.READ, Operation.CREATE), Answer.UNKNOWN),
        (unobserved([acl("TOPIC", SYNCS.name, "WRITE")]), Answer.GRANTED),
        (unobserved([acl("TOPIC", "mm2-", "ALL", pattern="PREFIXED")]), Answer.GRANTED),
        (unobserved([]), Answer.MISSING),
        (unobserved([], Operation.READ, Operation.CREATE), Answer.GRANTED),  # a super user
        (unobserved([acl("TOPIC", "*", "READ", "User:other")], Operation.CREATE), Answer.GRANTED),  # the same
        # What has no ACL is open, and this topic has one.
        (replace(unobserved([acl("TOPIC", SYNCS.name, "READ", "User:other")]), observed=ELSEWHERE), Answer.MISSING),
        (replace(unobserved([acl("TOPIC", "x", "READ", "User:other")]), observed=ELSEWHERE), Answer.GRANTED),
        # A topic that is there need not be created, which grants nothing.
        (Rights(True, OURS, [acl("TOPIC", "*", "READ")], THERE), Answer.MISSING),
        # A super user lacks nothing.
        (Rights(True, OURS, [acl("TOPIC", "*", "READ", "User:other")], ELSEWHERE | LACKING), Answer.MISSING),
        (unobserved([acl("CLUSTER", "kafka-cluster", "CREATE")], Operation.CREATE), Answer.MISSING),
        (replace(unobserved([]), principal=None), Answer.UNKNOWN),
        (replace(unobserved(None), authorizer=False), Answer.GRANTED),
    ],
)
def test_rights_on_what_does_not_exist_yet_follow_from_acls(rights: Rights, answer: Answer) -> None:
    assert rights.answer(Operation.WRITE, SYNCS) == answer


READ, CREATE = Operation.READ, Operation.CREATE


@pytest.mark.parametrize(
    ("acls", "operation", "answer"),
    [
        ([acl("TOPIC", "orders", "READ")], READ, Answer.GRANTED),
        ([acl("TOPIC", "orders", "READ")], Operation.DESCRIBE, Answer.GRANTED),
        ([acl("TOPIC", "orders", "ALTER_CONFIGS")], Operation.DESCRIBE_CONFIGS, Answer.GRANTED),
        ([acl("TOPIC", "orders", "DESCRIBE")], READ, Answer.MISSING),
        ([acl("TOPIC", "order", "READ")], READ, Answer.MISSING),
        ([acl("TOPIC", "order", "READ", pattern="PREFIXED")], READ, Answer.GRANTED),
        ([acl("TOPIC", "*", "ALL")], READ, Answer.GRANTED),
        ([acl("GROUP", "orders", "READ")], READ, Answer.MISSING),
        ([acl("TOPIC", "orders", "READ", "User:*")], READ, Answer.GRANTED),
        ([acl("TOPIC", "orders", "READ", "User:other")], READ, Answer.MISSING),
        ([acl("TOPIC", "orders", "READ", host="10.0.0.1")], READ, Answer.UNKNOWN),
        ([acl("TOPIC", "orders", "READ"), acl("TOPIC", "*", "ALL", permission="DENY")], READ, Answer.MISSING),
        (
            [acl("TOPIC", "orders", "READ"), acl("TOPIC", "*", "READ", permission="DENY", host="10.0.0.1")],
            READ,
            Answer.UNKNOWN,
        ),
        ([acl("TOPIC", "orders", "READ"), acl("TOPIC", "*", "WRITE", permission="DENY")], READ, Answer.GRANTED),
        ([acl("CLUSTER", "kafka-cluster", "CREATE")], CREATE, Answer.GRANTED),
    ],
)
def test_acls_are_read_as_the_authorizer_reads_them(acls: list[Acl], operation: Operation, answer: Answer) -> None:
    assert allowed(AclIndex(acls), OURS, operation, ORDERS) == answer


def test_names_are_quoted_for_the_shell() -> None:
    group = Resource("GROUP", "it's $HOME")
    document = plan(
        batches=[
            {"name": "first", "path": "restart", "topics": ["orders"], "groups": {group.name: {"moves": "restart"}}}
        ]
    )
    rights = {"rights": Rights(True, "User:a b", [], {})}
    checked = check(facts(document, source=rights, target=rights))
    lines = [line for line in commands(checked.grants, BOOTSTRAP) if not line.startswith("#")]  # type: ignore[arg-type]
    assert any(group.name in shlex.split(line) and "User:a b" in shlex.split(line) for line in lines)


@pytest.mark.parametrize(
    ("config", "principal"),
    [
        ({}, "User:ANONYMOUS"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanisms": "PLAIN", "sasl.username": "app"}, "User:app"),
        ({"security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "a"}, "User:a"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}, None),
        ({"security.protocol": "SSL"}, "User:ANONYMOUS"),
        ({"security.protocol": "SSL", "ssl.keystore.location": "/nowhere.p12"}, None),
    ],
)
def test_principal_of_properties(config: dict[str, str], principal: str | None) -> None:
    assert principal_of(config) == principal


def test_every_need_is_in_the_docs() -> None:
    from pathlib import Path

    assert table() in (Path(__file__).parents[3] / "docs/preflight.md").read_text(encoding="utf-8")
    assert len(table().splitlines()) == len(NEEDS) + 2


@pytest.mark.parametrize(
    ("pattern", "name", "flag"), [("orders.*", "orders.", True), ("*", "*", False), ("a[bc].x", "a", True)]
)
def test_a_pattern_of_which_no_topic_is_shown_gets_a_grant(pattern: str, name: str, flag: bool) -> None:
    document = batch(topics=[pattern])
    both = secured()
    given = facts(document, worker=WORKER, source={**both["source"], "names": frozenset()}, target=both["target"])
    given = replace(given, scope=scope_of(document, ()))
    (grant, *_) = check(given).grants
    assert (grant.resources, grant.operations, grant.prefixed) == ((Resource("TOPIC", name),), ("Describe",), flag)
    assert f"matches {pattern}" in grant.why
    open_ = facts(document, source={"names": frozenset()})
    assert check(replace(open_, scope=scope_of(document, ()))).grants == ()


def test_the_script_says_that_other_findings_are_blockers() -> None:
    given = facts(batch(topics=["absent.*"]))
    script = as_script(given, check(given))
    assert script.splitlines()[-2:] == [
        "# no right is missing",
        "# 1 blocker that no right resolves: preflight without --acl shows them",
    ]
    assert "no right resolves" not in as_script(facts(), check(facts()))
