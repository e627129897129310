package testkit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/commands"
)

// A Call is one that the server has received, whether it could run or not.
type Call struct {
	Client  int64     // the client's id
	Name    string    // the client's name at the time; "" where it had none
	DB      int       // the number of its database
	Command string    // in lower case, "client|list" for one of several words
	Words   []string  // all, as they were sent: passwords, too
	At      time.Time // by the server's clock, to the millisecond
	Queued  bool      // for EXEC
	Direct  bool      // from Do: of no connection
	Err     string    // the error that was the reply, "" if it was none; those within EXEC are not told

	shown []string // Words with passwords redacted; nil: there is none
}

// String is the call as "client 3 name=app: SET k v", with its error if it had one.
// Passwords are not shown.
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

// Redacted is Words as it may be shown to people: in the place of each password
// is "(redacted)".
func (c Call) Redacted() []string {
	if c.shown != nil {
		return c.shown
	}
	return c.Words
}

// redactedErr is Err, or its code where it quotes one of the words that are not shown.
func (c Call) redactedErr() string {
	for i := range c.shown {
		if c.shown[i] != c.Words[i] && strings.Contains(c.Err, c.Words[i]) {
			code, _, _ := strings.Cut(c.Err, " ")
			return code + " (redacted)"
		}
	}
	return c.Err
}

// quoteWords is a call as one would type it in redis-cli.
func quoteWords[T ~string | ~[]byte](words []T) string {
	var line []string
	for _, w := range words {
		word := string(w)
		if len(word) > shownBytes {
			word = word[:shownBytes] + "..."
		}
		if word == "" || strings.ContainsFunc(word, func(c rune) bool { return c <= ' ' || c == '"' || c == '\'' || c > '~' }) {
			word = fmt.Sprintf("%q", word)
		}
		line = append(line, word)
	}
	return strings.Join(line, " ")
}

// shownBytes is how much of a word errors show.
const shownBytes = 120

// Calls are calls in the order in which they came.
type Calls struct {
	list    []Call
	dropped int
}

// Calls returns those that the server has received so far, from all clients, the
// refused ones among them; not what the test itself has looked at. It keeps the last
// 4,096, with 8 MiB of words at most: see Dropped.
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

// ClearCalls forgets the calls that were received so far.
func (r *Kit) ClearCalls() {
	r.control.Inspect(func(*commands.State) { r.log = callLog{} })
}

// All lists the calls.
func (c Calls) All() []Call { return c.list }

// Len counts them.
func (c Calls) Len() int { return len(c.list) }

// Dropped is how many earlier ones there were that the server does not keep any more.
func (c Calls) Dropped() int { return c.dropped }

// By returns the calls of clients of that name.
func (c Calls) By(name string) Calls {
	return c.filter(func(c Call) bool { return c.Name == name && !c.Direct })
}

// ByClient returns the calls of the client with that id.
func (c Calls) ByClient(id int64) Calls {
	return c.filter(func(c Call) bool { return c.Client == id })
}

// Of returns the calls that are like one of the lines: see Called. A line that is
// no call (a quote that does not end) is an error.
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

// Called returns an error unless there was a call like the given one: a line as
// one types it in redis-cli, "SET user:1 *". The command's name counts in any case, all
// other words as they are; a word * is like any other, and what comes behind the
// line's last word is left open. The error lists what was called instead.
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

// NotCalled returns an error if there was a call like the given one, or if that
// cannot be known: see Dropped.
func (c Calls) NotCalled(line string) error { return c.CalledTimes(0, line) }

// CalledTimes returns an error unless there were exactly n calls like the given
// one, or if that cannot be known: see Dropped.
func (c Calls) CalledTimes(n int, line string) error {
	had, err := c.count(line)
	switch {
	case err != nil:
		return err
	case had != n:
		return fmt.Errorf("called %s, not %d: %s%s", counted(had, "time"), n, line, c.dump())
	case c.dropped > 0:
		return fmt.Errorf("called %s among the last %d calls, and %d before them are not kept: %s", counted(had, "time"), len(c.list), c.dropped, line)
	}
	return nil
}

// CalledInOrder returns an error unless there were calls like the given ones in
// that order, with others between them or not.
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

// splitLine takes a line apart as redis-cli does.
func splitLine(line string) (words []string, ok bool) {
	split, ok := commands.SplitWords(nil, []byte(line))
	for _, w := range split {
		words = append(words, string(w))
	}
	return words, ok && len(words) > 0
}

// isLike reports whether a call is like a line: see Called.
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

// dumpedCalls is how many calls an error lists.
const dumpedCalls = 40

// dump lists the calls for an error.
func (c Calls) dump() string {
	text := fmt.Sprintf("\n%s received", counted(len(c.list), "call"))
	if c.dropped > 0 {
		text += fmt.Sprintf(", and %d before them that are not kept", c.dropped)
	}
	last := c.list
	if len(last) > dumpedCalls {
		last = last[len(last)-dumpedCalls:]
		text += fmt.Sprintf("; the last %d", dumpedCalls)
	}
	for _, one := range last {
		text += "\n  " + one.String()
	}
	return text
}
