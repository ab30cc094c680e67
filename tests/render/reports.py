"""Documents of plans and drift for the tests of reports: a small one of every sort, a hostile one, a huge one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from msgspec.structs import replace

from reconciler.errors import Place
from reconciler.model.address import Address
from reconciler.model.plan import Action, Blocker, Cause, Change, FieldChange, OutsideChange, Plan, Revision, Touch
from reconciler.plan.convert import to_document
from reconciler.render.html import page

OLD_SQL = """\
SELECT c.name, sum(o.total) AS total
FROM public.orders o
JOIN public.customers c ON c.id = o.customer_id
WHERE o.region = :region
  AND o.status <> 'cancelled'
  AND o.created_at >= now() - interval '30 days'
  AND c.kind = 'business'
  AND c.deleted_at IS NULL
  AND o.currency = 'EUR'
  AND o.test IS FALSE
GROUP BY c.name
ORDER BY total DESC
LIMIT :n"""
NEW_SQL = OLD_SQL.replace("c.name, sum(o.total) AS total", "c.name, c.country, sum(o.total_net) AS total").replace(
    "GROUP BY c.name\n", "GROUP BY c.name, c.country\nHAVING sum(o.total_net) > 0\n"
)
ALICE = Touch("alice@meridian.example", "2026-03-14T02:11:09Z")
OPENAI = {
    "provider": "openai",
    "credential": "vault://kv/acme/openai#api_key",
    "models": ["gpt-5", "gpt-5-mini"],
    "enabled": True,
}
WAREHOUSE = {"type": "sql", "dialect": "postgresql", "dsn": "vault://kv/acme/warehouse#dsn", "read_only": True}
SALES = {
    "type": "database",
    "connector": "warehouse",
    "tables": ["public.customers", "public.orders"],
    "lifecycle": "active",
}
TEMPLATE = {"type": "sql", "datasource": "sales", "sql": OLD_SQL, "parameters": {"n": {"type": "integer", "max": 100}}}
SCHEMA = {"type": "object", "required": ["email"], "properties": {"email": {"type": "string", "maxLength": 200}}}
INVITE = {"type": "http", "connector": "crm", "method": "POST", "path": "/v2/invitations", "body": SCHEMA}
LIMIT = {"target": "integration/openai-prod", "per": "month", "cost_usd": "2500.00", "on_exceed": "block"}


def address(kind: str, name: str, tenant: str = "acme") -> Address:
    return Address(tenant, kind, name)


def update(kind: str, name: str, before: Any, *fields: FieldChange, **more: Any) -> Change:
    """An update of top-level fields, or of what lies one below."""
    after = dict(before)
    for field in fields:
        top, *rest = field.path
        if rest:
            after[top] = {**after[top], rest[0]: field.after}
        elif field.op == "remove":
            after.pop(top)
        else:
            after[top] = field.after
    action = more.pop("action", Action.UPDATE)
    return Change(address(kind, name), action, before, after, fields, uid="u", row_version=1, **more)


def changed(path: str, before: Any, after: Any, cause: Cause = Cause.CONFIGURATION, op: str = "change") -> FieldChange:
    return FieldChange(tuple(path.split(".")), op, before, after, cause)


SMALL = Plan(
    project="agent-platform",
    environment="prod",
    lineage="11111111-2222-3333-4444-555555555555",
    generation=41,
    database="postgresql://state.meridian.example/agents",
    database_state="current",
    configuration="0" * 32,
    tool_version="0.1.0",
    changes=(
        Change(
            address("connector", "crm"),
            Action.CREATE,
            None,
            {
                "type": "http",
                "base_url": "https://crm.meridian.example",
                "auth": {"type": "bearer", "token": "vault://kv/acme/crm#token"},
                "allowed_methods": ["GET", "POST"],
                "timeout_seconds": 30,
                "labels": {},
            },
            explicit=(("type",), ("base_url",), ("auth", "token"), ("allowed_methods",)),
            source=Place("manifests/systems.yaml", 12, 3),
        ),
        update(
            "integration",
            "openai-prod",
            OPENAI,
            changed("credential", "vault://kv/acme/openai#api_key", "vault://kv/acme/openai-2026#api_key"),
            changed("models", ["gpt-5", "gpt-5-mini"], ["gpt-5", "gpt-5-mini", "gpt-5-nano"]),
            changed("enabled", False, True, Cause.OUTSIDE),
            outside=ALICE,
            unchanged=6,
            source=Place("manifests/systems.yaml", 4, 3),
        ),
        update(
            "template",
            "top-customers",
            TEMPLATE,
            changed("sql", OLD_SQL, NEW_SQL),
            changed("parameters.n", {"type": "integer", "max": 100}, {"type": "integer", "max": 250, "default": 10}),
            unchanged=7,
            source=Place("manifests/templates.yaml", 8, 3),
        ),
        Change(
            address("template", "invite"),
            Action.CREATE,
            None,
            INVITE,
            explicit=(("type",), ("connector",), ("method",), ("path",), ("body",)),
            source=Place("manifests/templates.yaml", 40, 3),
        ),
        update(
            "limit",
            "openai-prod-month",
            LIMIT,
            replace(
                changed("cost_usd", "2500.00", "4000.00", Cause.BOTH), source=Place("overlays/prod/limits.yaml", 5, 15)
            ),
            outside=ALICE,
            unchanged=4,
            source=Place("limits/shared.yaml", 9, 3),
        ),
        update(
            "datasource",
            "archive",
            {**SALES, "type": "file", "connector": "bucket"},
            changed("type", "file", "database"),
            changed("connector", "bucket", "warehouse"),
            action=Action.REPLACE,
            reason="type-changed",
            unchanged=3,
            source=Place("manifests/systems.yaml", 60, 3),
        ),
        Change(
            address("template", "old-report"),
            Action.DELETE,
            {**TEMPLATE, "protected": True},
            None,
            reason="not-in-configuration",
            uid="u",
            row_version=3,
        ),
        Change(
            address("datasource", "sales"),
            Action.MOVE,
            SALES,
            SALES,
            previous=address("datasource", "sales-db"),
            uid="u",
            row_version=2,
        ),
    ),
    outside=(
        OutsideChange(address("integration", "openai-prod"), "changed", OPENAI, OPENAI, (changed("enabled", True, False, Cause.OUTSIDE),), ALICE),
    ),
    unchanged=128,
    owned=134,
    revision=Revision("9f3c2ab17d604e11a5c0ffee0123456789abcdef"),
    notes=("The rule for labels.cost-centre ends in 12 days.",),
    blockers=(
        Blocker(
            "protected",
            "acme/template/old-report is protected, and this plan would delete it",
            "apply `protected: false` first, in a change of its own",
            address("template", "old-report"),
        ),
    ),
)  # fmt: skip

RISKS = {
    "acme/integration/openai-prod": ["overwrites-outside", "credential-changed", "access-widened"],
    "acme/limit/openai-prod-month": ["overwrites-outside", "limit-raised"],
    "acme/datasource/archive": ["replaces"],
    "acme/template/top-customers": ["statement-changed"],
    "acme/template/old-report": ["deletes"],
}


def plan_html(document: dict[str, Any]) -> str:
    """The pieces of the page together."""
    return "".join(page.plan_html(document))


def drift_html(document: dict[str, Any]) -> str:
    return "".join(page.drift_html(document))


def document(plan: Plan, risks: dict[str, list[str]] | None = None) -> dict[str, Any]:
    known = risks or {}
    changes = tuple(replace(change, risks=tuple(known.get(str(change.address), ()))) for change in plan.changes)
    return deepcopy(to_document(replace(plan, changes=changes)))


def small() -> dict[str, Any]:
    return document(SMALL, RISKS)


def empty() -> dict[str, Any]:
    made = small()
    nothing = dict.fromkeys(made["summary"], 0)
    return {**made, "summary": nothing, "resource_changes": [], "resource_drift": [], "blockers": [], "notes": []}


def drift() -> dict[str, Any]:
    """As ``drift_json`` makes it."""

    def finding(kind: str, name: str, op: str, before: Any, after: Any, *fields: Any) -> dict[str, Any]:
        told = [{"path": [f], "field": f, "op": "change", "before": b, "after": a} for f, b, a in fields]
        return {
            "address": f"acme/{kind}/{name}",
            "tenant": "acme",
            "type": kind,
            "name": name,
            "finding": op,
            "by": ALICE.by,
            "at": ALICE.at,
            "before": before,
            "after": after,
            "fields": told,
        }

    template = {**TEMPLATE, "sql": NEW_SQL}
    return {
        "format_version": "1.0",
        "project": "agent-platform",
        "environment": "prod",
        "generation": 41,
        "drifted": True,
        "clean": 128,
        "counts": {},
        "findings": [
            finding("limit", "night", "created", None, {**LIMIT, "cost_usd": "9000.00"}),
            finding("template", "top-customers", "changed", TEMPLATE, template, ("sql", OLD_SQL, NEW_SQL)),
            finding("datasource", "sales", "deleted", SALES, None),
        ],
    }


def hostile_text(url: str) -> str:
    """``url`` is where a request would be seen."""
    return " ".join(
        (
            "</script><script>window.pwned=1</script>",
            f"<img src={url}/stolen onerror=window.pwned=1><style>@import '{url}/style';</style>",
            "`${window.pwned=1}` \\u003cscript> <!--<script> </title></svg></noscript>",
            "\x1b[31mred\x1b[0m \x00\x07\x9b \u202egnp.exe\u202c \u200bzero \u2066iso \u2028 \ud83d\ufeff \U000e0041",
            "javascript:window.pwned=1 'x' \"y\" & &lt;b&gt; ]]>",
        )
    )


def hostile(url: str = "//127.0.0.1:1") -> dict[str, Any]:
    """Every text of a plan's document that somebody could have written holds what could do harm."""
    evil = hostile_text(url)
    made = document(SMALL)
    for change in made["resource_changes"]:
        change["name"] += evil
        change["address"] += evil
        change["tenant"] += evil
        change["risks"] = ["deletes", evil]
        change["action_reason"] = evil
        change["source"] = {"file": evil, "line": 1, "column": 1}
        change["outside"] = {"by": evil, "at": evil}
        for field in change["fields"]:
            field |= {"field": field["field"] + evil, "after": f"{evil}\n{evil}", "before": f"{evil}\nx"}
            field["source"] = {"file": evil, "line": None, "column": None}
        body = change["change"]["after"]
        if body is not None:
            body[evil] = {evil: [evil], "sql": f"{evil}\n{evil}"}
    made["project"] = made["environment"] = made["database"] = made["notes"][0] = evil
    made["dependants"] = [{"address": evil, "refers_to": [evil, "acme/connector/crm"]}]
    made["blockers"] = [{"code": "x", "message": evil, "hint": evil, "address": evil}]
    return made


def huge(count: int = 5000) -> dict[str, Any]:
    """Changes of many tenants and kinds; every third one changes SQL, every seventh is risky."""
    changes: list[Change] = []
    risks: dict[str, list[str]] = {}
    for n in range(count):
        tenant = f"tenant-{n % 300:03d}"
        sql = OLD_SQL.replace("'30 days'", f"'{n} days'")
        if n % 3 == 0:
            before = {**TEMPLATE, "sql": sql}
            body = {**TEMPLATE, "sql": sql.replace("total DESC", "total ASC, c.name")}
            fields = (changed("sql", before["sql"], body["sql"]),)
            change = Change(
                Address(tenant, "template", f"report-{n}"), Action.UPDATE, before, body, fields, unchanged=9
            )
        elif n % 3 == 1:
            change = Change(Address(tenant, "datasource", f"data-{n}"), Action.CREATE, None, SALES)
        else:
            cost = (changed("cost_usd", "2500.00", f"{n}.00"),)
            change = Change(
                Address(tenant, "limit", f"month-{n}"), Action.UPDATE, LIMIT, {**LIMIT, "cost_usd": f"{n}.00"}, cost
            )
        changes.append(change)
        if n % 7 == 0:
            risks[str(change.address)] = ["limit-raised" if n % 3 == 2 else "access-widened"]
    plan = Plan(
        project="agent-platform", environment="prod", lineage="1", generation=41, database="postgresql://db/agents",
        database_state="current", configuration="0" * 32, tool_version="0.1.0", changes=tuple(changes), owned=9000,
    )  # fmt: skip
    return document(plan, risks)
