package commands

import (
	"fmt"
	"strings"

	"github.com/parley-chat/parley/commands/resp"
)

// Errors that clients match on, word for word as redis-server 7.0.15 sends them.
const (
	ErrSyntax       = resp.Error("ERR syntax error")
	ErrWrongType    = resp.Error("WRONGTYPE Operation against a key holding the wrong kind of value")
	errNotInteger   = resp.Error("ERR value is not an integer or out of range")
	errNotPositive  = resp.Error("ERR value is out of range, must be positive")
	errNotFloat     = resp.Error("ERR value is not a valid float")
	errOutOfRange   = resp.Error("ERR value is out of range")
	errNoSuchKey    = resp.Error("ERR no such key")
	errOverflow     = resp.Error("ERR increment or decrement would overflow")
	errTooLong      = resp.Error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
	errSameObject   = resp.Error("ERR source and destination objects are the same")
	errDBIndex      = resp.Error("ERR DB index is out of range")
	errNumKeys      = resp.Error("ERR numkeys should be greater than 0")
	errLimit        = resp.Error("ERR LIMIT can't be negative")
	errCursor       = resp.Error("ERR invalid cursor")
	ErrNoAuth       = resp.Error("NOAUTH Authentication required.")
	errWrongPass    = resp.Error("WRONGPASS invalid username-password pair or user is disabled.")
	errNoProto      = resp.Error("NOPROTO unsupported protocol version")
	errExecAbort    = resp.Error("EXECABORT Transaction discarded because of previous errors.")
	errTimeoutFloat = resp.Error("ERR timeout is not a float or out of range")
	errTimeoutSign  = resp.Error("ERR timeout is negative")

	errTimeoutInteger = resp.Error("ERR timeout is not an integer or out of range")
)

// Errorf makes an error reply; format starts with the code ("ERR ...").
func Errorf(format string, args ...any) error {
	return resp.Error(fmt.Sprintf(format, args...))
}

// ArityError is the reply to a call with too few or too many words.
func ArityError(m *Command) error {
	return Errorf("ERR wrong number of arguments for '%s' command", m.FullName())
}

// maxEcho bounds how much of what a client sent an error gives back, as in Redis.
const maxEcho = 128

func unknownCommand(args [][]byte) error {
	var begin strings.Builder
	for _, a := range args[1:] {
		if begin.Len() >= maxEcho {
			break
		}
		fmt.Fprintf(&begin, "'%s' ", cut(a, maxEcho-begin.Len()))
	}
	return Errorf("ERR unknown command '%s', with args beginning with: %s", cut(args[0], maxEcho), begin.String())
}

func unknownSubcommand(m *Command, word []byte) error {
	return Errorf("ERR unknown subcommand '%s'. Try %s HELP.", cut(word, maxEcho), strings.ToUpper(m.Name))
}

// subcommandError is the reply of a subcommand that finds too many words though
// its row's arity allows them.
func (c *Context) subcommandError() error {
	return Errorf("ERR unknown subcommand or wrong number of arguments for '%s'. Try %s HELP.",
		cut(c.Args[1], maxEcho), strings.ToUpper(c.Command.parent.Name))
}

// cut shortens what C would print with %.*s: at a NUL byte or after n bytes.
func cut(p []byte, n int) []byte {
	if len(p) > n {
		p = p[:n]
	}
	for i, b := range p {
		if b == 0 {
			return p[:i]
		}
	}
	return p
}
