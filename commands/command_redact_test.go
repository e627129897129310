package commands_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

// Passwords are hidden in calls that fail, too: Redis shows some of those. The
// password of each call is the word hidden.
func TestRedact(t *testing.T) {
	table := commands.Standard()
	for call, want := range map[string]string{
		"AUTH":                                    "",
		"auth hidden":                             "auth *",
		"AUTH ann hidden":                         "AUTH * *",
		"AUTH ann hidden hidden":                  "AUTH * * *", // Redis shows this
		"HELLO":                                   "",
		"HELLO 3 SETNAME app":                     "",
		"HELLO 3 auth ann hidden":                 "HELLO 3 auth * *",
		"HELLO 3 SETNAME app AUTH ann hidden":     "HELLO 3 SETNAME app AUTH * *",
		"HELLO 3 SETNAME AUTH":                    "",
		"HELLO 3 AUTH ann hidden AUTH bob hidden": "HELLO 3 AUTH * * AUTH * *", // Redis shows the second
		"HELLO 3 AUTH hidden":                     "HELLO 3 AUTH *",            // and this
		"HELLO 9 AUTH ann hidden":                 "HELLO 9 AUTH * *",
		"HELLO AUTH ann hidden":                   "HELLO AUTH * *",
		"HELLO 3 NOSUCH AUTH ann hidden":          "HELLO 3 NOSUCH AUTH * *",
		"ACL SETUSER ann on >hidden ~*":           "ACL SETUSER * * * *",
		"ACL SETUSER":                             "",
		"ACL GETUSER ann":                         "",
		"CONFIG SET requirepass hidden":           "CONFIG SET requirepass *",
		"config set maxclients 9 RequirePass hidden nosuch 1": "config set maxclients 9 RequirePass * nosuch 1",
		"CONFIG SET masterauth hidden masteruser hidden":      "CONFIG SET masterauth * masteruser *",
		"CONFIG SET tls-key-file-pass hidden":                 "CONFIG SET tls-key-file-pass *", // Redis shows this
		"CONFIG SET maxclients 9":                             "",
		"CONFIG SET maxclients 9 requirepass":                 "",
		"CONFIG GET requirepass":                              "",
		"SET k requirepass":                                   "",
		"NOSUCH AUTH":                                         "",
	} {
		if want == "" {
			want = call
		}
		args := words(call)
		m, _ := table.Find(args)
		require.Equal(t, words(strings.ReplaceAll(want, "*", "(redacted)")), m.Redact(args), call)
		require.Equal(t, words(call), args, "the call itself stays as it is")
	}
}

func words(call string) (list [][]byte) {
	for _, w := range strings.Fields(call) {
		list = append(list, []byte(w))
	}
	return list
}
