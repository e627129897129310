package testkit

import (
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// refusals are errors with which Redis refuses calls for what state it is in, word
// for word, and the calls that it refuses then.
var refusals = []struct {
	text    string
	refuses func(call) bool
}{
	{"LOADING Redis is loading the dataset in memory", without(commands.Loading)},
	{"READONLY You can't write against a read only replica.", with(commands.Write)},
	{"OOM command not allowed when used memory > 'maxmemory'.", whatTakesMemory},
	{"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", without(commands.AllowBusy)},
	{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", without(commands.Stale)},
	{"NOREPLICAS Not enough good replicas to write.", with(commands.Write)},
	{"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. " +
		"Commands that may modify the data set are disabled, because this instance is configured to report errors during writes " +
		"if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.", writesAndPing},
	{"CLUSTERDOWN Hash slot not served", whatHasASlot},
	{"NOAUTH Authentication required.", without(commands.NoAuth)},
}

// A call is what a fault is aimed at; m is its row.
type call struct {
	l    *commands.Client
	m    *commands.Command
	args [][]byte
}

func with(f commands.Flags) func(call) bool {
	return func(c call) bool { return c.m.Has(f) }
}

func without(f commands.Flags) func(call) bool {
	return func(c call) bool { return !c.m.Has(f) }
}

// whatTakesMemory are the calls that Redis refuses when memory is full: to queue one
// within MULTI takes some, too.
func whatTakesMemory(c call) bool {
	return c.m.Has(commands.DenyOOM) || c.l.Multi != nil && !c.m.Has(commands.LeavesMulti)
}

// writesAndPing are what Redis refuses when it cannot save: PING, too, so that who
// watches it learns of that.
func writesAndPing(c call) bool { return c.m.Has(commands.Write) || c.m.FullName() == "ping" }

// whatHasASlot are calls with keys, or with channels of shards.
func whatHasASlot(c call) bool {
	notKey := func(k commands.KeySpec) bool { return k.Flags&commands.NotKey != 0 }
	return len(keysOf(c.m, c.args)) > 0 || slices.ContainsFunc(c.m.Keys, notKey)
}

// readyMade is the text of an error of which there is only the code, and any other
// error as it is.
func readyMade(text string) string {
	for _, r := range refusals {
		if codeOf(r.text) == text {
			return r.text
		}
	}
	return text
}

// refusalOf tells which calls Redis refuses with an error; nil: it is none of these.
func refusalOf(text string) func(call) bool {
	for _, r := range refusals {
		if r.text == readyMade(text) {
			return r.refuses
		}
	}
	return nil
}

// codeOf is what an error begins with.
func codeOf(text string) string {
	code, _, _ := strings.Cut(text, " ")
	return code
}
