package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
)

// Any call by a user without the rights to all of its keys is rejected. A user
// with exactly those rights may make it, and the reply depends on no other key.
func TestRightsToKeysOfEveryCommand(t *testing.T) {
	g := newGenerator(1)
	judged := 0
	for _, row := range commands.Standard().Rows() {
		for _, m := range leavesOf(row) {
			if !slices.ContainsFunc(m.Keys, func(s commands.KeySpec) bool { return s.Flags&commands.NotKey == 0 }) {
				continue
			}
			t.Run(m.FullName(), func(t *testing.T) {
				h := newRightsTest(t)
				seen := 0
				for range 12 {
					if words := g.call(m); m.Accepts(len(words)) && h.judge(m, words) {
						seen++
					}
				}
				require.Greater(t, seen, 4)
				judged += seen
			})
		}
	}
	require.Greater(t, judged, 1000)
}

// A rightsTest has two servers with the same data, except that the second has
// only the keys of the current call.
type rightsTest struct {
	t           *testing.T
	full, bare  asker // may do everything
	user, other asker // restricted users on the first server and on the second
}

func newRightsTest(t *testing.T) *rightsTest {
	h := &rightsTest{t: t}
	now := time.UnixMilli(time.Now().UnixMilli())
	for _, asks := range [][2]*asker{{&h.full, &h.user}, {&h.bare, &h.other}} {
		s := newClosed(t, Options{Strict: true, Seed: 1, Clock: NewManualClock(now)})
		*asks[0], *asks[1] = askDirectly(t, s), h.dial(s)
	}
	return h
}

func (h *rightsTest) dial(s *Server) asker {
	conn, err := s.Dial()
	require.NoError(h.t, err)
	h.t.Cleanup(func() { conn.Close() })
	ask := askThrough(h.t, conn)
	ask([]string{"ACL", "SETUSER", "user", "on", "nopass"}, []string{"AUTH", "user", ""})
	return ask
}

// aKey is a key of the data.
type aKey struct {
	name string
	make []string // the call that creates it
}

var someKeys = []aKey{
	{"k1", []string{"SET", "k1", "1"}}, {"k2", []string{"SET", "k2", "text"}},
	{"h1", []string{"HSET", "h1", "a", "1", "b", "c"}}, {"h2", []string{"HSET", "h2", "c", "2"}},
	{"s1", []string{"SADD", "s1", "a", "b", "1"}}, {"s2", []string{"SADD", "s2", "b", "c"}},
	{"z1", []string{"ZADD", "z1", "1", "a", "2", "b"}}, {"z2", []string{"ZADD", "z2", "1", "b", "3", "c"}},
}

// judge makes a call with more and with fewer rights. It reports whether the
// call has keys.
func (h *rightsTest) judge(m *commands.Command, words []string) bool {
	uses, _ := m.Keys.In(wordsOf(words))
	h.fill(h.full, nil)
	h.refuse(uses, words, nil)
	if len(uses) == 0 {
		return false
	}
	for i := range uses {
		h.refuse(uses, words, h.rights(uses, func(j int) access { return rightsFor(uses[j].Flags).without(uses[i].Key, uses[j].Key) }))
		for _, one := range []string{"R", "W"} { // one of two rights is not enough
			if need := rightsFor(uses[i].Flags); strings.Contains(string(need), one) {
				h.refuse(uses, words, h.rights(uses, func(j int) access {
					if string(uses[j].Key) == string(uses[i].Key) {
						return access(map[string]string{"R": "W", "W": "R"}[one])
					}
					return "RW"
				}))
			}
		}
	}
	h.grant(m, uses, words)
	return true
}

// access is the letters of the rights to a key; "": none.
type access string

func (a access) without(taken, key []byte) access {
	if string(taken) == string(key) {
		return ""
	}
	return a
}

// rightsFor implements the manual: four of a key's flags are about its value.
func rightsFor(f commands.KeyFlags) (a access) {
	if f&commands.Access != 0 {
		a = "R"
	}
	if f&(commands.Insert|commands.Update|commands.Delete) != 0 {
		a += "W"
	}
	return a
}

func (h *rightsTest) rights(uses []commands.KeyUse, of func(i int) access) (rules []string) {
	for i, u := range uses {
		if a := of(i); a != "" {
			rules = append(rules, fmt.Sprintf("%%%s~%s", a, literally(u.Key)))
		}
	}
	return rules
}

// literally makes a pattern that only this key matches.
func literally(key []byte) string {
	var b strings.Builder
	for _, c := range key {
		b.WriteByte('\\')
		b.WriteByte(c)
	}
	return b.String()
}

func (h *rightsTest) become(ask asker, rules []string) {
	h.t.Helper()
	for _, v := range ask(append([]string{"ACL", "SETUSER", "user", "reset", "on", "nopass", "+@all"}, rules...)) {
		require.Equal(h.t, "OK", v.Str, "%q", rules)
	}
}

// refuse expects that the call is rejected, for want of rights or as invalid if
// it has no keys, and has changed nothing.
func (h *rightsTest) refuse(uses []commands.KeyUse, words, rules []string) {
	h.t.Helper()
	h.become(h.full, rules)
	before := h.dump()
	v := h.user(words)[0]
	switch {
	case len(uses) > 0:
		require.Equal(h.t, "NOPERM this user has no permissions to access one of the keys used as arguments", v.Str, "%q with %q", words, rules)
	case v.Type != resp.TypeError:
		h.t.Fatalf("%q names no key, and yet it is answered %s", words, v)
	}
	require.Equal(h.t, before, h.dump(), "%q", words)
}

// grant expects that the call is allowed, and gets the same reply as on the
// server without other keys.
func (h *rightsTest) grant(m *commands.Command, uses []commands.KeyUse, words []string) {
	h.t.Helper()
	rules := h.rights(uses, func(i int) access {
		if a := rightsFor(uses[i].Flags); a != "" {
			return a
		}
		return "R" // any right is enough
	})
	h.become(h.full, rules)
	h.become(h.bare, rules)
	h.fill(h.bare, uses)
	calls := [][]string{words}
	if m.Has(commands.Blocking) {
		calls = [][]string{{"MULTI"}, words, {"EXEC"}} // within EXEC, where nothing blocks
	}
	others := h.others(uses)
	before := h.full(others...)
	a, b := h.user(calls...), h.other(calls...)
	require.Equal(h.t, before, h.full(others...), "%q changes other keys", words)
	last := len(calls) - 1
	require.NotContains(h.t, a[0].Str+a[last].String(), "NOPERM", "%q with %q", words, rules)
	if strings.Contains(a[last].Str, "denied due to") || slices.ContainsFunc(m.Tips, func(tip string) bool { return strings.HasPrefix(tip, "nondeterministic_output") }) {
		return
	}
	require.Equal(h.t, b[last].String(), a[last].String(), "%q depends on other keys", words)
}

// others returns the keys that are not those of the call.
func (h *rightsTest) others(uses []commands.KeyUse) (calls [][]string) {
	for _, k := range someKeys {
		if !slices.ContainsFunc(uses, func(u commands.KeyUse) bool { return string(u.Key) == k.name }) {
			calls = append(calls, []string{"DUMP", k.name})
		}
	}
	return calls
}

// fill gives a server its data: all of it, or the keys of a call.
func (h *rightsTest) fill(ask asker, only []commands.KeyUse) {
	calls := [][]string{{"FLUSHALL"}}
	for _, k := range someKeys {
		if only == nil || slices.ContainsFunc(only, func(u commands.KeyUse) bool { return string(u.Key) == k.name }) {
			calls = append(calls, k.make)
		}
	}
	ask(calls...)
}

func (h *rightsTest) dump() []string { return dump(h.full) }

// An unauthenticated client can do nothing: every other command is rejected,
// whatever its arguments.
func TestNothingBeforeThePassword(t *testing.T) {
	s := newClosed(t, Options{Password: "secret", Debug: commands.DebugYes})
	conn, err := s.Dial()
	require.NoError(t, err)
	defer conn.Close()
	ask, g := askThrough(t, conn), newGenerator(2)
	var free []string
	for _, row := range commands.Standard().Rows() {
		for _, m := range leavesOf(row) {
			if m.Has(commands.NoAuth) {
				free = append(free, m.Name)
				continue
			}
			for range 5 {
				words := g.call(m)
				if !m.Accepts(len(words)) || len(words) > 10 { // not even its first argument is read
					words = strings.Split(m.FullName(), "|")
					for !m.Accepts(len(words)) {
						words = append(words, "1")
					}
				}
				told := strings.TrimPrefix(ask(words)[0].Str, "EXECABORT Transaction discarded because of: ")
				require.Equal(t, "NOAUTH Authentication required.", told, "%q", words)
			}
		}
	}
	require.Equal(t, []string{"auth", "hello", "quit", "reset"}, free)
	require.Empty(t, dump(askDirectly(t, s)))
}

// The cost of the ACL check for each call, of a user with all rights and of one
// with most.
func BenchmarkRights(b *testing.B) {
	for name, rules := range map[string]string{"everything": "~* &* +@all", "some": "~room:* ~user:* &message -@dangerous +@all -@admin"} {
		b.Run(name, func(b *testing.B) {
			s := newClosed(b, Options{})
			askDirectly(b, s)(append([]string{"ACL", "SETUSER", "ann", "on", "nopass"}, strings.Fields(rules)...))
			conn, err := s.Dial()
			require.NoError(b, err)
			defer conn.Close()
			askThrough(b, conn)([]string{"AUTH", "ann", ""})
			c := &conn.(*memoryConn).session.caller
			r := s.engine.newRequest(wordsOf([]string{"GET", "user:1"}))
			for b.Loop() {
				if err := c.ctx.ACLError(r.command, r.args); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
