package rig

import (
	"strings"

	"github.com/parley-chat/parley/commands"
)

// refusals are errors with which Redis refuses calls for what state it is in, word
// for word, and the calls that it refuses then.
var refusals = []struct {
	text    string
	refuses func(m *commands.Command, args [][]byte) bool
}{
	{"LOADING Redis is loading the dataset in memory", without(commands.Loading)},
	{"READONLY You can't write against a read only replica.", with(commands.Write)},
	{"OOM command not allowed when used memory > 'maxmemory'.", with(commands.DenyOOM)},
	{"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", without(commands.AllowBusy)},
	{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", without(commands.Stale)},
	{"NOREPLICAS Not enough good replicas to write.", with(commands.Write)},
	{"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. " +
		"Commands that may modify the data set are disabled, because this instance is configured to report errors during writes " +
		"if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.", writesAndPing},
	{"CLUSTERDOWN Hash slot not served", func(m *commands.Command, args [][]byte) bool { return len(keysOf(m, args)) > 0 }},
	{"NOAUTH Authentication required.", without(commands.NoAuth)},
}

func with(f commands.Flags) func(*commands.Command, [][]byte) bool {
	return func(m *commands.Command, _ [][]byte) bool { return m.Has(f) }
}

// writesAndPing are what Redis refuses when it cannot save: PING, too, so that who
// watches it learns of that.
func writesAndPing(m *commands.Command, _ [][]byte) bool {
	return m.Has(commands.Write) || m.FullName() == "ping"
}

func without(f commands.Flags) func(*commands.Command, [][]byte) bool {
	return func(m *commands.Command, _ [][]byte) bool { return !m.Has(f) }
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
func refusalOf(text string) func(*commands.Command, [][]byte) bool {
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
