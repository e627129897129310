package testkit

import (
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// refusals are the errors with which Redis rejects calls because of its state,
// word for word, and the calls that it rejects.
var refusals = []struct {
	text    string
	refuses func(call) bool
}{
	{"LOADING Redis is loading the dataset in memory", lacksFlag(commands.Loading)},
	{"READONLY You can't write against a read only replica.", hasFlag(commands.Write)},
	{"OOM command not allowed when used memory > 'maxmemory'.", usesMemory},
	{"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", lacksFlag(commands.AllowBusy)},
	{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", lacksFlag(commands.Stale)},
	{"NOREPLICAS Not enough good replicas to write.", hasFlag(commands.Write)},
	{"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. " +
		"Commands that may modify the data set are disabled, because this instance is configured to report errors during writes " +
		"if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.", isWriteOrPing},
	{"CLUSTERDOWN Hash slot not served", hasSlot},
	{"NOAUTH Authentication required.", lacksFlag(commands.NoAuth)},
}

// A call is a call that arrives; m is its row.
type call struct {
	l    *commands.Client
	m    *commands.Command
	args [][]byte
}

func hasFlag(f commands.Flags) func(call) bool {
	return func(c call) bool { return c.m.Has(f) }
}

func lacksFlag(f commands.Flags) func(call) bool {
	return func(c call) bool { return !c.m.Has(f) }
}

// usesMemory reports whether Redis rejects the call when memory is full.
// Queueing a call within MULTI uses memory, too.
func usesMemory(c call) bool {
	return c.m.Has(commands.DenyOOM) || c.l.Multi != nil && !c.m.Has(commands.LeavesMulti)
}

// isWriteOrPing reports whether Redis rejects the call when it cannot save.
// PING is included, so that monitoring notices.
func isWriteOrPing(c call) bool { return c.m.Has(commands.Write) || c.m.FullName() == "ping" }

// hasSlot reports whether the call has keys or shard channels.
func hasSlot(c call) bool {
	notKey := func(k commands.KeySpec) bool { return k.Flags&commands.NotKey != 0 }
	return len(keysOf(c.m, c.args)) > 0 || slices.ContainsFunc(c.m.Keys, notKey)
}

// fullErrorText returns the text of a predefined error, given its code, or text
// itself.
func fullErrorText(text string) string {
	for _, r := range refusals {
		if errorCode(r.text) == text {
			return r.text
		}
	}
	return text
}

// refusedBy returns which calls Redis rejects with an error; nil: it is not one
// of refusals.
func refusedBy(text string) func(call) bool {
	for _, r := range refusals {
		if r.text == fullErrorText(text) {
			return r.refuses
		}
	}
	return nil
}

// errorCode returns the first word of an error.
func errorCode(text string) string {
	code, _, _ := strings.Cut(text, " ")
	return code
}
