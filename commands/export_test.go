package commands

import "testing"

// SetMaxDueFields changes, for one test, how many fields of a hash are expired
// before a change of it. The others are hidden.
func SetMaxDueFields(t *testing.T, n int) {
	before := maxDueFields
	maxDueFields = n
	t.Cleanup(func() { maxDueFields = before })
}
