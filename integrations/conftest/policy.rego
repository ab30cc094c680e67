# Rules over `reconciler plan --format json`, for `conftest test --policy integrations/conftest plan.json` or OPA.
package main

import rego.v1

destroyed contains change.address if {
	some change in input.resource_changes
	"delete" in change.change.actions
}

deny contains msg if {
	input.environment == "prod"
	some address in destroyed
	msg := sprintf("%s: nothing is deleted or replaced in prod without a review of its own", [address])
}

deny contains msg if {
	some change in input.resource_changes
	change.type == "limit"
	some field in ["cost_usd", "tokens", "requests", "concurrent"]
	before := change.change.before[field]
	after := change.change.after[field]
	before != null
	after != null
	to_number(after) > to_number(before)
	msg := sprintf("%s: %s would rise", [change.address, field])
}

deny contains msg if {
	some change in input.resource_changes
	change.type == "limit"
	some field in ["cost_usd", "tokens", "requests", "concurrent"]
	change.change.before[field] != null
	object.get(change.change.after, field, null) == null
	change.change.after != null
	msg := sprintf("%s: %s would have no limit any more", [change.address, field])
}
