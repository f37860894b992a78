# What must hold before a version is promoted, as Rego: the same rules as promote.yaml, asked of the same input document
# (docs/gates.md). For `syscard gate --engine rego`, and for an OPA server. What is undefined here is an error there.
package syscard.gate.promote

import rego.v1

at_most_ns := ((90 * 24) * 3600) * 1000000000 # of a waiver

declared := [
	{"rule": "no-broken-claim", "says": "claims broken", "op": "<=", "threshold": 0, "severity": "block"},
	{"rule": "no-open-incident", "says": "incidents open", "op": "<=", "threshold": 0, "severity": "block"},
	{"rule": "fair", "says": "disparity ratio", "op": "<=", "threshold": 1.25, "severity": "block"},
	{"rule": "traffic", "says": "requests seen", "op": ">=", "threshold": 200, "severity": "block"},
	{"rule": "data", "says": "hours since the last span", "op": "<=", "threshold": 24, "severity": "block"},
	{"rule": "documented", "says": "share of required fields filled in", "op": ">=", "threshold": 1, "severity": "block"},
	{"rule": "declared", "says": "parts that nobody declared", "op": "<=", "threshold": 0, "severity": "block"},
	{"rule": "few-unknowns", "says": "claims unknown", "op": "<=", "threshold": 0, "severity": "warn"},
	{"rule": "fresh", "says": "claims stale", "op": "<=", "threshold": 0, "severity": "warn"},
	{"rule": "watched", "says": "share of parts watched", "op": ">=", "threshold": 1, "severity": "warn"},
]

# The answer. `rules` names every rule that must be among the checks: one whose check is undefined is missed there.
verdict := {
	"stage": "promote",
	"rules": [rule.rule | some rule in declared],
	"checks": [check(rule) | some rule in declared],
}

check(rule) := object.union(rule, {
	"value": figure.value,
	"items": figure.items,
	"passed": passed,
	"waivers": [ref | not passed; some ref, _ in used],
	"waived_until_ns": [w.end | not passed; some w in used],
}) if {
	figure := figures[rule.rule]
	passed := does(rule, figure.value)
	used := waived(rule, figure)
}

figures := {
	"no-broken-claim": counted([ref | some ref, claim in input.claims; claim.status == "broken"]),
	"no-open-incident": counted([name | some name, incident in input.incidents; incident.open]),
	"fair": worst({ref: claim.slices[0].value | some ref, claim in input.claims; startswith(claim.metric, "disparity(")}),
	"traffic": {"value": input.traffic.requests, "items": [], "kind": "whole"},
	"data": {"value": silence, "items": [], "kind": "whole"},
	"documented": shared(input.documented.fields, input.documented.missing),
	"declared": counted([ref | some ref, part in input.parts; not part.declared]),
	"few-unknowns": counted([ref | some ref, claim in input.claims; claim.status == "unknown"]),
	"fresh": counted([ref | some ref, claim in input.claims; claim.status == "stale"]),
	"watched": shared(count(input.parts), [ref | some ref, part in input.parts; not part.watched]),
}

# Hours since the newest span; missing where none came, or where it is dated more than an hour ahead of the clock.
default silence := null

silence := hours if {
	input.traffic.last_span != null
	hours := (time.parse_rfc3339_ns(input.asked.at) - time.parse_rfc3339_ns(input.traffic.last_span)) / 3600000000000
	hours >= -1
}

counted(items) := {"value": count(items), "items": items, "kind": "count"}

shared(of, missing) := {"value": 1 - (count(missing) / of), "items": missing, "kind": "share", "of": of} if of > 0

shared(of, missing) := {"value": null, "items": missing, "kind": "share", "of": of} if of == 0

# The worst ratio; missing where one has no figure and none is known to be too large.
worst(ratios) := {"value": null, "items": missing, "kind": "each"} if {
	missing := [ref | some ref, ratio in ratios; ratio == null]
	count([ref | some ref, ratio in ratios; ratio != null; ratio > 1.25]) == 0
	count(missing) + count([1 | count(ratios) == 0]) > 0
}

worst(ratios) := {"value": max(known), "items": array.concat(bad, missing), "kind": "each"} if {
	known := [ratio | some ratio in ratios; ratio != null]
	bad := [ref | some ref, ratio in ratios; ratio != null; ratio > 1.25]
	missing := [ref | some ref, ratio in ratios; ratio == null]
	count(known) > 0
	count(missing) * (1 - min([count(bad), 1])) == 0
}

does(_, value) := false if value == null

does(rule, value) := value <= rule.threshold if {
	value != null
	rule.op == "<="
}

does(rule, value) := value >= rule.threshold if {
	value != null
	rule.op == ">="
}

# Waivers of a rule that hold now: by id, with what they cover of a figure and when they end.
holding(rule) := {ref: {"scope": waiver.scope, "end": end} |
	some ref, waiver in input.waivers
	waiver.rule == rule.rule
	not waiver.revoked
	starts := time.parse_rfc3339_ns(waiver.starts)
	end := min([time.parse_rfc3339_ns(waiver.expires), starts + at_most_ns])
	now := time.parse_rfc3339_ns(input.asked.at)
	starts <= now
	now < end
}

waived(rule, figure) := {ref: w | some ref, w in holding(rule); count(w.scope) == 0} if count(figure.items) == 0

waived(rule, figure) := {ref: w | would_do(rule, figure, left); some ref, w in covering} if {
	count(figure.items) > 0
	covering := {ref: w | some ref, w in holding(rule); count({item | some item in w.scope} & {i | some i in figure.items}) > 0}
	covered := {item | some w in covering; some item in w.scope}
	left := count([item | some item in figure.items; not item in covered])
	left < count(figure.items)
}

waived(rule, figure) := {} if {
	count(figure.items) > 0
	covered := {item | some w in holding(rule); some item in w.scope}
	count({item | some item in figure.items; item in covered}) == 0
}

# Whether a figure would do with so many of its items left.
would_do(rule, figure, left) if {
	figure.kind == "count"
	does(rule, left)
}

would_do(rule, figure, left) if {
	figure.kind == "share"
	does(rule, 1 - (left / figure.of))
}

would_do(_, figure, left) if {
	figure.kind == "each"
	left == 0
}
