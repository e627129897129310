package commands

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzACLRules: whatever rules a user is given, one to a line, what LIST writes
// of it gives the same user, in a file and with SETUSER.
func FuzzACLRules(f *testing.F) {
	for _, seed := range []string{
		"on\n>p\n~a*\n%R~b\n%W~c\n&d\n+@read\n-get", "+@all\n-@admin\n-client|kill\n+select|0\n-select", "(~a) ~b)\n(~x\n+get\n)",
		"('~a\"b' \"~c\\x29\")\n(+@all -@write &e)", "allkeys\n~x", "nopass\nreset\nsanitize-payload", "+get|x y", "%~\n%RW~\n~", "+@hash\n-hexpire\n+lpush\n-@list",
	} {
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, allChannels bool) {
		s := &State{Table: Standard(), Users: NewUsers(), Config: DefaultConfig()}
		s.Config.ACLAllChannels = allChannels
		g, u := s.grammar(), s.Users.add("u")
		r := g.fresh()
		rules, _ := joinSelectors(bytes.Split(text, []byte("\n")))
		for _, rule := range rules {
			draft := r.clone()
			if g.apply(&draft, rule) == nil {
				r = draft
			}
		}
		u.set(r)
		line := s.describe(u)

		users, complaints := s.parseUsers("file", []byte(line+"\n"))
		require.Empty(t, complaints, line)
		require.Equal(t, line, s.describe(users.find([]byte("u"))))

		again := g.fresh()
		rules, open := joinSelectors(bytes.Split([]byte(line), []byte(" "))[2:])
		require.Negative(t, open)
		for _, rule := range rules {
			require.NoError(t, g.apply(&again, rule), "%q in %q", rule, line)
		}
		v := &User{Name: "u"}
		v.set(again)
		require.Equal(t, line, s.describe(v))
		require.Equal(t, u.unrestricted, v.unrestricted)
		require.False(t, strings.Contains(line, "\n"))
	})
}
