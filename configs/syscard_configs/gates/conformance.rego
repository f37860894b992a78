# Whether an engine reads Rego as our gates need it: every builtin they use, once. One that reads times with Z as
# undefined, say, would take every waiver for inactive without a word. syscard compares `found` with what it must be.
package syscard.conformance

import rego.v1

found := {
	"z": time.parse_rfc3339_ns("2026-12-31T00:00:00Z"),
	"fraction": time.parse_rfc3339_ns("2026-12-31T00:00:00.520001Z") - time.parse_rfc3339_ns("2026-12-31T00:00:00Z"),
	"count": count(input.list) + count(input.object),
	"extremes": [min(input.list), max(input.list)],
	"starts": [startswith("disparity(x)", "disparity("), startswith("share(x)", "disparity(")],
	"union": object.union({"a": 1}, {"b": null}),
	"concat": array.concat([1], [2]),
	"sets": {1, 2, 3} & {2, 3, 4},
	"some": [key | some key, value in input.object; value != null],
	"not": [key | some key, value in input.object; not value],
	"null": [true | input.object.b == null],
	"share": 1 - (1 / 4),
	"number": 1.25 >= 1.25,
	"product": ((90 * 24) * 3600) * 1000000000,
}
