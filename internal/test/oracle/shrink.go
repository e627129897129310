package oracle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/commands"
)

// Shrink looks for a small part of a script that still makes the two sides
// differ, and returns it with its difference. It gives up when time is up, with
// the smallest found.
func Shrink(sides [2]Side, protocol int, script []Call, limit time.Duration) ([]Call, *Difference) {
	return shrink(script, limit, func(script []Call) error { return Run(sides, protocol, script) })
}

// ShrinkTalk is Shrink for a talk.
func ShrinkTalk(sides [2]Side, protocol int, script []Call, limit time.Duration) ([]Call, *Difference) {
	return shrink(script, limit, func(script []Call) error { return Talk(sides, protocol, script) })
}

func shrink(script []Call, limit time.Duration, run func([]Call) error) ([]Call, *Difference) {
	s := shrinker{deadline: time.Now().Add(limit)}
	s.run = func(script []Call) *Difference {
		var d *Difference
		errors.As(run(script), &d)
		return d
	}
	s.keep(script)
	if s.found == nil {
		return script, nil
	}
	s.focus()
	s.calls()
	s.words()
	s.calls()
	return s.script, s.found
}

// A shrinker holds the smallest script known to show a difference.
type shrinker struct {
	run      func([]Call) *Difference
	deadline time.Time
	script   []Call
	found    *Difference
}

// keep takes a script in place of the last one if it shows a difference. What
// follows the difference is cut off.
func (s *shrinker) keep(script []Call) bool {
	if len(script) == 0 || s.found != nil && time.Now().After(s.deadline) {
		return false
	}
	d := s.run(script)
	if d == nil {
		return false
	}
	s.script, s.found = slices.Clone(script[:d.Sent]), d
	return true
}

// focus tries the calls that share a key with the last one, and those that
// share a key with these.
func (s *shrinker) focus() {
	table := commands.Standard()
	about := keysOf(table, s.script[s.found.At])
	for range 3 {
		var related []Call
		further := make(map[string]bool)
		for _, c := range s.script {
			keys := keysOf(table, c)
			if c.control() || meet(keys, about) {
				related = append(related, c)
				for k := range keys {
					further[k] = true
				}
			}
		}
		if len(related) < len(s.script) && s.keep(related) {
			return
		}
		about = further
	}
}

func keysOf(table *commands.Table, c Call) map[string]bool {
	args := make([][]byte, len(c.Words))
	for i, w := range c.Words {
		args[i] = []byte(w)
	}
	keys := make(map[string]bool)
	row, err := table.Find(args)
	if err != nil || !row.Accepts(len(args)) {
		return keys
	}
	uses, _ := row.Keys.In(args)
	for _, u := range uses {
		keys[string(u.Key)] = true
	}
	return keys
}

func meet(a, b map[string]bool) bool {
	for k := range a {
		if b[k] {
			return true
		}
	}
	return false
}

// control reports whether a call is about the connection's state.
func (c Call) control() bool {
	switch strings.ToUpper(c.Words[0]) {
	case "SELECT", "MULTI", "EXEC", "DISCARD", "RESET", "HELLO", "SWAPDB":
		return true
	}
	return false
}

// calls leaves out as many calls as it can: runs of half the script first, then
// of a quarter, and so on to single ones (ddmin).
func (s *shrinker) calls() {
	for size := (len(s.script) + 1) / 2; size > 0; {
		smaller := false
		for end := len(s.script); end > 0; end -= size {
			start := max(0, end-size)
			if s.keep(slices.Concat(s.script[:start], s.script[min(end, len(s.script)):])) {
				smaller = true
			}
			end = min(end, len(s.script)+size)
		}
		if !smaller || size > len(s.script) {
			size /= 2
		}
	}
}

// words leaves out words of long calls, in the same manner.
func (s *shrinker) words() {
	for i := 0; i < len(s.script); i++ {
		for size := len(s.script[i].Words) / 2; size > 0; size /= 2 {
			for at := 1; i < len(s.script) && at < len(s.script[i].Words); {
				c := s.script[i]
				c.Words = slices.Delete(slices.Clone(c.Words), at, min(at+size, len(c.Words)))
				shorter := slices.Clone(s.script)
				shorter[i] = c
				if !s.keep(shorter) {
					at += size
				}
			}
			if i >= len(s.script) {
				return
			}
		}
	}
}

// String gives a call as a transcript has it.
func (c Call) String() string {
	words := make([]string, len(c.Words))
	for i, w := range c.Words {
		words[i] = quoted(w)
	}
	prompt := "> "
	if c.Conn > 0 {
		prompt = string(rune('a'+c.Conn-1)) + "> "
	}
	return prompt + strings.Join(words, " ")
}

// Transcript runs a script and writes it down, with the replies of the first side.
func Transcript(sides [2]Side, protocol int, script []Call) string {
	var b strings.Builder
	err := run(sides, protocol, script, func(c Call, r [2]reply) {
		fmt.Fprintf(&b, "%s\n%s\n", c, shown(r[0]))
	})
	if err != nil {
		fmt.Fprintf(&b, "# %s\n", strings.ReplaceAll(err.Error(), "\n", "\n# "))
	}
	return b.String()
}
