package testkit

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// A redisVersion is a version of Redis.
type redisVersion [3]int

// parseRedisVersion parses "7.0.15". Missing numbers stand for the highest; ""
// is the highest version.
func parseRedisVersion(text string) (v redisVersion, ok bool) {
	v = redisVersion{math.MaxInt, math.MaxInt, math.MaxInt}
	if text == "" {
		return v, true
	}
	parts := strings.Split(text, ".")
	if len(parts) > len(v) {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

// olderThan reports whether the version is older than since.
func (v redisVersion) olderThan(since string) bool {
	other, _ := parseRedisVersion(since)
	return slices.Compare(v[:], other[:]) < 0
}

// A newerForm is a form of a command that is newer than the command.
type newerForm struct {
	command  string
	since    string
	options  []string // any of these words, from index from on
	from     int
	step     int  // options are only at every step-th word; 0: at any
	leading  bool // options end at the first other word
	maxWords int  // if not 0: the form has more words than that; what describes it
	what     string
}

// newerForms are those that COMMAND DOCS of Redis 7.0.15 lists.
var newerForms = []newerForm{
	{command: "auth", since: "6.0.0", maxWords: 2, what: "a user's name"},
	{command: "client|kill", since: "2.8.12", maxWords: 3, what: "filters"},
	{command: "client|kill", since: "3.2.0", from: 3, step: 2, options: []string{"MASTER"}},
	{command: "client|kill", since: "5.0.0", from: 3, step: 2, options: []string{"REPLICA"}},
	{command: "client|kill", since: "6.2.0", from: 2, step: 2, options: []string{"LADDR"}},
	{command: "client|list", since: "5.0.0", from: 2, leading: true, options: []string{"TYPE"}},
	{command: "client|list", since: "6.2.0", from: 2, leading: true, options: []string{"ID"}},
	{command: "client|pause", since: "6.2.0", from: 3, options: []string{"WRITE", "ALL"}},
	{command: "config|get", since: "7.0.0", maxWords: 3, what: "several patterns"},
	{command: "config|set", since: "7.0.0", maxWords: 4, what: "several parameters"},
	{command: "exists", since: "3.0.3", maxWords: 2, what: "several keys"},
	{command: "expire", since: "7.0.0", from: 3, options: []string{"NX", "XX", "GT", "LT"}},
	{command: "expireat", since: "7.0.0", from: 3, options: []string{"NX", "XX", "GT", "LT"}},
	{command: "flushall", since: "4.0.0", from: 1, options: []string{"ASYNC"}},
	{command: "flushall", since: "6.2.0", from: 1, options: []string{"SYNC"}},
	{command: "flushdb", since: "4.0.0", from: 1, options: []string{"ASYNC"}},
	{command: "flushdb", since: "6.2.0", from: 1, options: []string{"SYNC"}},
	{command: "hset", since: "4.0.0", maxWords: 4, what: "several fields"},
	{command: "info", since: "7.0.0", maxWords: 2, what: "several sections"},
	{command: "pexpire", since: "7.0.0", from: 3, options: []string{"NX", "XX", "GT", "LT"}},
	{command: "pexpireat", since: "7.0.0", from: 3, options: []string{"NX", "XX", "GT", "LT"}},
	{command: "restore", since: "3.0.0", from: 4, options: []string{"REPLACE"}},
	{command: "restore", since: "5.0.0", from: 4, options: []string{"ABSTTL", "IDLETIME", "FREQ"}},
	{command: "scan", since: "6.0.0", from: 2, step: 2, options: []string{"TYPE"}},
	{command: "set", since: "2.6.12", from: 3, options: []string{"NX", "XX", "EX", "PX"}},
	{command: "set", since: "6.0.0", from: 3, options: []string{"KEEPTTL"}},
	{command: "set", since: "6.2.0", from: 3, options: []string{"GET", "EXAT", "PXAT"}},
	{command: "shutdown", since: "7.0.0", from: 1, options: []string{"NOW", "FORCE", "ABORT"}},
	{command: "spop", since: "3.2.0", maxWords: 2, what: "a count"},
	{command: "srandmember", since: "2.6.0", maxWords: 2, what: "a count"},
	{command: "zadd", since: "3.0.2", from: 2, leading: true, options: []string{"NX", "XX", "CH", "INCR"}},
	{command: "zadd", since: "6.2.0", from: 2, leading: true, options: []string{"GT", "LT"}},
	{command: "zrange", since: "6.2.0", from: 4, options: []string{"BYSCORE", "BYLEX", "REV", "LIMIT"}},
	{command: "zrangebyscore", since: "2.0.0", from: 4, options: []string{"WITHSCORES"}},
}

// checkVersion reports what the version of Redis lacks.
func (t *linter) checkVersion(l *commands.Client, m *commands.Command, args [][]byte) {
	name := m.FullName()
	shown := strings.ToUpper(strings.ReplaceAll(name, "|", " "))
	if t.version.olderThan(m.Since) {
		t.add(RuleVersion, shown+" needs Redis "+m.Since, l, m, args)
		return
	}
	for i := range newerForms {
		n := &newerForms[i]
		if n.command != name || !t.version.olderThan(n.since) {
			continue
		}
		for _, what := range n.findIn(args) {
			t.add(RuleVersion, fmt.Sprintf("%s with %s needs Redis %s", shown, what, n.since), l, m, args)
		}
	}
	if name == "set" && t.version.olderThan("7.0.0") && hasNXAndGet(args) {
		t.add(RuleVersion, "SET with NX and GET together needs Redis 7.0.0", l, m, args)
	}
}

// findIn returns the newer parts of a call.
func (n *newerForm) findIn(args [][]byte) (list []string) {
	if n.maxWords > 0 {
		if len(args) > n.maxWords {
			list = append(list, n.what)
		}
		return list
	}
	for i := n.from; i < len(args); i += max(n.step, 1) {
		word := strings.ToUpper(string(args[i]))
		if slices.Contains(n.options, word) {
			list = append(list, word)
		} else if n.leading && !n.isOption(word) {
			break
		}
	}
	return list
}

// isOption reports whether a word is an option of the command in another row.
func (n *newerForm) isOption(word string) bool {
	return slices.ContainsFunc(newerForms, func(o newerForm) bool { return o.command == n.command && slices.Contains(o.options, word) })
}

func hasNXAndGet(args [][]byte) bool {
	has := func(option string) bool {
		return slices.ContainsFunc(args[min(3, len(args)):], func(a []byte) bool { return commands.Is(a, option) })
	}
	return has("NX") && has("GET")
}
