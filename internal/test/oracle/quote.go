package oracle

import (
	"strings"

	"github.com/parley-chat/parley/commands/resp"
)

// quoted gives a word as redis-cli would read it, in quotes if it needs them.
func quoted(word string) string {
	plain := func(r rune) bool { return r > ' ' && r <= '~' && !strings.ContainsRune(`"'\`, r) }
	if word == "" || strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return resp.Quote(word)
	}
	return word
}
