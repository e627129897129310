package commands

import (
	"slices"
	"strings"
)

var redacted = []byte("(redacted)")

// Redact returns the words of a call as the slow log, monitors and the errors of tests show
// them: each password is "(redacted)". Nothing else may show the words of a call. It
// does not change args, and returns them as they are if there is nothing to hide. m is nil
// for an unknown command.
func (m *Command) Redact(args [][]byte) [][]byte {
	if m == nil || m.Secrets == nil {
		return args
	}
	places := m.Secrets(args)
	if len(places) == 0 {
		return args
	}
	shown := slices.Clone(args)
	for _, i := range places {
		shown[i] = redacted
	}
	return shown
}

// Credentials returns the user and the password that a call of a row that Authenticates
// gives; of several, as HELLO may have, the first. ok: there is one.
func (m *Command) Credentials(args [][]byte) (user, password []byte, ok bool) {
	if m.Secrets == nil {
		return nil, nil, false
	}
	switch places := m.Secrets(args); len(places) {
	case 0:
		return nil, nil, false
	case 1:
		return []byte(defaultUser), args[places[0]], true
	default:
		return args[places[0]], args[places[1]], true
	}
}

// allFrom is for rows all of whose words from one place on are secret.
func allFrom(first int) func([][]byte) []int {
	return func(args [][]byte) (places []int) {
		for i := first; i < len(args); i++ {
			places = append(places, i)
		}
		return places
	}
}

// helloSecrets finds what follows AUTH, also in a call that is refused before that is read:
// one with a wrong protocol version, or with too few words.
func helloSecrets(args [][]byte) (places []int) {
	for i := 1; i < len(args); i++ {
		switch {
		case Is(args[i], "AUTH"):
			for range 2 {
				if i++; i < len(args) {
					places = append(places, i)
				}
			}
		case Is(args[i], "SETNAME"):
			i++
		}
	}
	return places
}

// redisSecrets are parameters of Redis that are not known here, and whose values it hides.
var redisSecrets = []string{"masterauth", "masteruser", "tls-client-key-file-pass", "tls-key-file-pass"}

func configSetSecrets(args [][]byte) (places []int) {
	for i := 3; i < len(args); i += 2 {
		if secretParameter(args[i-1]) {
			places = append(places, i)
		}
	}
	return places
}

func secretParameter(name []byte) bool {
	if at := parameterNamed(name); at >= 0 {
		return parameters[at].secret
	}
	return slices.ContainsFunc(redisSecrets, func(secret string) bool { return Is(name, strings.ToUpper(secret)) })
}
