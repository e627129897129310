package commands

import "testing"

// SettleAtOnce changes, for one test, how many fields of a hash are expired
// before a change of it. The others are hidden.
func SettleAtOnce(t *testing.T, n int) {
	before := settleAtOnce
	settleAtOnce = n
	t.Cleanup(func() { settleAtOnce = before })
}
