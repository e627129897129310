package testkit

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// A release is a version of Redis.
type release [3]int

// parseRelease reads "7.0.15". What is left out is the last there is; "" is the last
// of all.
func parseRelease(text string) (v release, ok bool) {
	v = release{math.MaxInt, math.MaxInt, math.MaxInt}
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

// lacks reports whether a version of Redis has not what another one has brought.
func (v release) lacks(since string) bool {
	other, _ := parseRelease(since)
	return slices.Compare(v[:], other[:]) < 0
}

// A newer is a way to call a command that came later than the command.
type newer struct {
	command string
	since   string
	options []string // any of these words, from the given one on
	from    int
	step    int  // options are only at every so manieth word; 0: at any
	leading bool // options end with the first other word
	beyond  int  // or: more words than that; what says of what
	what    string
}

// newerForms are as COMMAND DOCS of Redis 7.0.15 tells.
var newerForms = []newer{
	{command: "auth", since: "6.0.0", beyond: 2, what: "a user's name"},
	{command: "client|kill", since: "2.8.12", beyond: 3, what: "filters"},
	{command: "client|kill", since: "3.2.0", from: 3, step: 2, options: []string{"MASTER"}},
	{command: "client|kill", since: "5.0.0", from: 3, step: 2, options: []string{"REPLICA"}},
	{command: "client|kill", since: "6.2.0", from: 2, step: 2, options: []string{"LADDR"}},
	{command: "client|list", since: "5.0.0", from: 2, leading: true, options: []string{"TYPE"}},
	{command: "client|list", since: "6.2.0", from: 2, leading: true, options: []string{"ID"}},
	{command: "client|pause", since: "6.2.0", from: 3, options: []string{"WRITE", "ALL"}},
	{command: "config|get", since: "7.0.0", beyond: 3, what: "several patterns"},
	{command: "config|set", since: "7.0.0", beyond: 4, what: "several parameters"},
	{command: "exists", since: "3.0.3", beyond: 2, what: "several keys"},
	{command: "expire", since: "7.0.0", from: 3, options: []string{"NX", "XX", "GT", "LT"}},
	{command: "expireat", since: "7.0.0", from: 3, options: []string{"NX", "XX", "GT", "LT"}},
	{command: "flushall", since: "4.0.0", from: 1, options: []string{"ASYNC"}},
	{command: "flushall", since: "6.2.0", from: 1, options: []string{"SYNC"}},
	{command: "flushdb", since: "4.0.0", from: 1, options: []string{"ASYNC"}},
	{command: "flushdb", since: "6.2.0", from: 1, options: []string{"SYNC"}},
	{command: "hset", since: "4.0.0", beyond: 4, what: "several fields"},
	{command: "info", since: "7.0.0", beyond: 2, what: "several sections"},
	{command: "pexpire", since: "7.0.0", from: 3, options: []string{"NX", "XX", "GT", "LT"}},
	{command: "pexpireat", since: "7.0.0", from: 3, options: []string{"NX", "XX", "GT", "LT"}},
	{command: "restore", since: "3.0.0", from: 4, options: []string{"REPLACE"}},
	{command: "restore", since: "5.0.0", from: 4, options: []string{"ABSTTL", "IDLETIME", "FREQ"}},
	{command: "scan", since: "6.0.0", from: 2, step: 2, options: []string{"TYPE"}},
	{command: "set", since: "2.6.12", from: 3, options: []string{"NX", "XX", "EX", "PX"}},
	{command: "set", since: "6.0.0", from: 3, options: []string{"KEEPTTL"}},
	{command: "set", since: "6.2.0", from: 3, options: []string{"GET", "EXAT", "PXAT"}},
	{command: "shutdown", since: "7.0.0", from: 1, options: []string{"NOW", "FORCE", "ABORT"}},
	{command: "spop", since: "3.2.0", beyond: 2, what: "a count"},
	{command: "srandmember", since: "2.6.0", beyond: 2, what: "a count"},
	{command: "zadd", since: "3.0.2", from: 2, leading: true, options: []string{"NX", "XX", "CH", "INCR"}},
	{command: "zadd", since: "6.2.0", from: 2, leading: true, options: []string{"GT", "LT"}},
	{command: "zrange", since: "6.2.0", from: 4, options: []string{"BYSCORE", "BYLEX", "REV", "LIMIT"}},
	{command: "zrangebyscore", since: "2.0.0", from: 4, options: []string{"WITHSCORES"}},
}

// lookAtVersion finds what the version of Redis does not have.
func (t *linter) lookAtVersion(l *commands.Client, m *commands.Command, args [][]byte) {
	name := m.FullName()
	shown := strings.ToUpper(strings.ReplaceAll(name, "|", " "))
	if t.version.lacks(m.Since) {
		t.add(RuleVersion, shown+" needs Redis "+m.Since, l, m, args)
		return
	}
	for i := range newerForms {
		n := &newerForms[i]
		if n.command != name || !t.version.lacks(n.since) {
			continue
		}
		for _, what := range n.in(args) {
			t.add(RuleVersion, fmt.Sprintf("%s with %s needs Redis %s", shown, what, n.since), l, m, args)
		}
	}
	if name == "set" && t.version.lacks("7.0.0") && setsAndGets(args) {
		t.add(RuleVersion, "SET with NX and GET together needs Redis 7.0.0", l, m, args)
	}
}

// in lists what of a call is newer.
func (n *newer) in(args [][]byte) (list []string) {
	if n.beyond > 0 {
		if len(args) > n.beyond {
			list = append(list, n.what)
		}
		return list
	}
	for i := n.from; i < len(args); i += max(n.step, 1) {
		word := strings.ToUpper(string(args[i]))
		if slices.Contains(n.options, word) {
			list = append(list, word)
		} else if n.leading && !n.known(word) {
			break
		}
	}
	return list
}

// known reports whether a word is an option of the command in another row.
func (n *newer) known(word string) bool {
	return slices.ContainsFunc(newerForms, func(o newer) bool { return o.command == n.command && slices.Contains(o.options, word) })
}

func setsAndGets(args [][]byte) bool {
	has := func(option string) bool {
		return slices.ContainsFunc(args[min(3, len(args)):], func(a []byte) bool { return commands.Is(a, option) })
	}
	return has("NX") && has("GET")
}
