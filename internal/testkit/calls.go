package testkit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/commands"
)

// A Call is a call that the server has received, whether it could run or not.
type Call struct {
	Client  int64     // the client's ID
	Name    string    // the client's name at that time; "" if none
	DB      int       // the selected database
	Command string    // in lower case; "client|list" for a subcommand
	Words   []string  // all words as sent, passwords included
	At      time.Time // on the server's clock, to the millisecond
	Queued  bool      // within MULTI
	Direct  bool      // made with Do, without a connection
	Err     string    // the error reply; "" if none. Errors within EXEC are not recorded

	redacted []string // Words with passwords redacted; nil: there are none
}

// String formats the call as "client 3 name=app: SET k v", followed by its
// error, if any. Passwords are redacted.
func (c Call) String() string {
	text := clientText(&commands.Client{ID: c.Client, Name: c.Name, Direct: c.Direct})
	if c.DB != 0 {
		text += fmt.Sprintf(" db=%d", c.DB)
	}
	if c.Queued {
		text += " in MULTI"
	}
	text += ": " + quoteWords(c.Redacted())
	if c.Err != "" {
		text += " -> " + c.redactedErr()
	}
	return text
}

// Redacted returns Words with each password replaced by "(redacted)".
func (c Call) Redacted() []string {
	if c.redacted != nil {
		return c.redacted
	}
	return c.Words
}

// redactedErr is Err, or only its code if it quotes a redacted word.
func (c Call) redactedErr() string {
	for i := range c.redacted {
		if c.redacted[i] != c.Words[i] && strings.Contains(c.Err, c.Words[i]) {
			code, _, _ := strings.Cut(c.Err, " ")
			return code + " (redacted)"
		}
	}
	return c.Err
}

// quoteWords formats a call as one would type it in redis-cli.
func quoteWords[T ~string | ~[]byte](words []T) string {
	var line []string
	for _, w := range words {
		word := string(w)
		if len(word) > maxShownWord {
			word = word[:maxShownWord] + "..."
		}
		if word == "" || strings.ContainsFunc(word, func(c rune) bool { return c <= ' ' || c == '"' || c == '\'' || c > '~' }) {
			word = fmt.Sprintf("%q", word)
		}
		line = append(line, word)
	}
	return strings.Join(line, " ")
}

// maxShownWord is how many bytes of a word errors show.
const maxShownWord = 120

// Calls is a list of calls in the order in which they arrived.
type Calls struct {
	list    []Call
	dropped int
}

// Calls returns the calls that the server has received so far from all clients,
// rejected ones included, but not those of DB. It keeps the last 4,096 calls,
// with at most 8 MiB of words: see Dropped.
func (r *Kit) Calls() Calls {
	var c Calls
	r.control.Inspect(func(*commands.State) {
		c.dropped = r.log.dropped
		for i := range r.log.list {
			c.list = append(c.list, r.log.list[i].call())
		}
	})
	return c
}

// ClearCalls empties the call log.
func (r *Kit) ClearCalls() {
	r.control.Inspect(func(*commands.State) { r.log = callLog{} })
}

// All returns the calls.
func (c Calls) All() []Call { return c.list }

// Len returns the number of calls.
func (c Calls) Len() int { return len(c.list) }

// Dropped is the number of earlier calls that are no longer in the log.
func (c Calls) Dropped() int { return c.dropped }

// By returns the calls of clients with that name.
func (c Calls) By(name string) Calls {
	return c.filter(func(c Call) bool { return c.Name == name && !c.Direct })
}

// ByClient returns the calls of the client with that ID.
func (c Calls) ByClient(id int64) Calls {
	return c.filter(func(c Call) bool { return c.Client == id })
}

// Of returns the calls that match one of the lines: see Called. A line with an
// unbalanced quote is an error.
func (c Calls) Of(lines ...string) (Calls, error) {
	calls := make([][]string, len(lines))
	for i, line := range lines {
		words, ok := splitLine(line)
		if !ok {
			return Calls{}, errLine(line)
		}
		calls[i] = words
	}
	return c.filter(func(one Call) bool { return slices.ContainsFunc(calls, one.isLike) }), nil
}

func (c Calls) filter(keep func(Call) bool) Calls {
	rest := Calls{dropped: c.dropped}
	for _, one := range c.list {
		if keep(one) {
			rest.list = append(rest.list, one)
		}
	}
	return rest
}

// Called returns an error unless a call matches the line, which is written as
// in redis-cli: "SET user:1 *". The command's name is case-insensitive, a word
// * matches any word, and other words match exactly. The call may have more
// words than the line. The error lists the calls.
func (c Calls) Called(line string) error {
	n, err := c.count(line)
	switch {
	case err != nil:
		return err
	case n == 0:
		return errors.New("not called: " + line + c.dump())
	}
	return nil
}

// NotCalled returns an error if a call matches the line, or if the log may have
// dropped one: see Dropped.
func (c Calls) NotCalled(line string) error { return c.CalledTimes(0, line) }

// CalledTimes returns an error unless exactly n calls match the line, or if the
// log may have dropped one: see Dropped.
func (c Calls) CalledTimes(n int, line string) error {
	had, err := c.count(line)
	switch {
	case err != nil:
		return err
	case had != n:
		return fmt.Errorf("called %s, not %d: %s%s", counted(had, "time"), n, line, c.dump())
	case c.dropped > 0:
		return fmt.Errorf("called %s among the last %d calls, and %d earlier ones were dropped: %s", counted(had, "time"), len(c.list), c.dropped, line)
	}
	return nil
}

// CalledInOrder returns an error unless calls match the lines in that order,
// possibly with other calls between them.
func (c Calls) CalledInOrder(lines ...string) error {
	at := 0
	for i, line := range lines {
		words, ok := splitLine(line)
		if !ok {
			return errLine(line)
		}
		n := slices.IndexFunc(c.list[at:], func(one Call) bool { return one.isLike(words) })
		if n < 0 && i > 0 {
			return fmt.Errorf("not called after %s: %s%s", lines[i-1], line, c.dump())
		} else if n < 0 {
			return errors.New("not called: " + line + c.dump())
		}
		at += n + 1
	}
	return nil
}

func (c Calls) count(line string) (n int, err error) {
	words, ok := splitLine(line)
	if !ok {
		return 0, errLine(line)
	}
	for _, one := range c.list {
		if one.isLike(words) {
			n++
		}
	}
	return n, nil
}

func errLine(line string) error { return fmt.Errorf("not a call: %q", line) }

// splitLine splits a line into words as redis-cli does.
func splitLine(line string) (words []string, ok bool) {
	split, ok := commands.SplitWords(nil, []byte(line))
	for _, w := range split {
		words = append(words, string(w))
	}
	return words, ok && len(words) > 0
}

// isLike reports whether a call matches the words of a line: see Called.
func (c Call) isLike(words []string) bool {
	if len(words) > len(c.Words) {
		return false
	}
	names := 1 + strings.Count(c.Command, "|")
	for i, w := range words {
		if w != "*" && w != c.Words[i] && (i >= names || !strings.EqualFold(w, c.Words[i])) {
			return false
		}
	}
	return true
}

// maxListedCalls is how many calls an error lists.
const maxListedCalls = 40

// dump lists the calls for an error.
func (c Calls) dump() string {
	text := fmt.Sprintf("\n%s received", counted(len(c.list), "call"))
	if c.dropped > 0 {
		text += fmt.Sprintf(", %d earlier ones dropped", c.dropped)
	}
	last := c.list
	if len(last) > maxListedCalls {
		last = last[len(last)-maxListedCalls:]
		text += fmt.Sprintf("; the last %d", maxListedCalls)
	}
	for _, one := range last {
		text += "\n  " + one.String()
	}
	return text
}
