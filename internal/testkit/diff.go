package testkit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/server"
)

// Diff returns the changes from one snapshot to another of the same server, or
// to the current data if is is nil; "" if there are none. Each line is a line
// of Dump after a "-" if it was removed, or a "+" if it was added. Lines of a
// database other than 0 follow a SELECT.
//
//	Diff(was, nil):
//	- SADD online bob
//	- HSET user:1 name Ada
//	+ HSET user:1 name Grace
//	  SELECT 1
//	+ SET draft hello
//
// Passing time is not a change, but expiry is. Times to live are those at the
// later moment. Diff takes time in proportion to the changes since the earlier
// snapshot, or to the whole of a database that SWAPDB has exchanged.
func (r *Kit) Diff(was, is *Snapshot) (string, error) {
	if was == nil {
		return "", errNoSnapshot
	}
	var text strings.Builder
	var err error
	failure := r.control.Exec(func(c *commands.Context) {
		then, until := c.Now, (*commands.Snapshot)(nil)
		if is != nil {
			then, until = is.at, is.of
		}
		now := max(was.at, then)
		err = c.Compare(was.of, until, func(db int, key string, a, b datastructs.PastValue) {
			writeDiff(&text, db, keyLines(db, key, a, was.at, now), keyLines(db, key, b, then, now))
		})
	})
	return sections(text.String()), errors.Join(failure, err)
}

// keyLines returns the lines of Dump for a key as it was at a time, with times
// to live as of now.
func keyLines(db int, key string, p datastructs.PastValue, at, now int64) []string {
	w := dumpWriter{db: db, selected: true}
	h := entry{value: p.Value(at)}
	h.deadline, h.expires = p.Deadline()
	w.key(key, h, now)
	return split(w.String())
}

func split(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

// writeDiff writes the lines that are in only one of two lists, each after its
// database. A removed line of an element comes before the added one.
func writeDiff(text *strings.Builder, db int, was, is []string) {
	all := append(onlyIn(was, is, "-"), onlyIn(is, was, "+")...)
	slices.SortStableFunc(all, func(a, b difference) int {
		return cmp.Or(strings.Compare(a.key, b.key), cmp.Compare(a.rank, b.rank), strings.Compare(a.element, b.element))
	})
	for _, d := range all {
		fmt.Fprintf(text, "%d %s %s\n", db, d.sign, d.line)
	}
}

// A difference is a line that is in only one of two lists.
type difference struct {
	sign, line   string
	key, element string
	rank         int // order of the lines of one element
}

func onlyIn(list, other []string, sign string) (all []difference) {
	there := setOf(other)
	for _, line := range list {
		if !there[line] {
			all = append(all, newDifference(sign, line))
		}
	}
	return all
}

func newDifference(sign, line string) difference {
	words, _ := commands.SplitWords(nil, []byte(line))
	d := difference{sign: sign, line: line, key: string(words[1])}
	switch string(words[0]) {
	case "HSET", "SADD":
		d.element = string(words[2])
	case "ZADD":
		d.element = string(words[3])
	case "HPEXPIRE":
		d.element, d.rank = string(words[5]), 1
	case "PEXPIRE":
		d.rank = 2
	}
	return d
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}

// sections inserts a SELECT before the lines of each database except 0.
func sections(text string) string {
	var b strings.Builder
	last := "0"
	for line := range strings.Lines(text) {
		db, rest, _ := strings.Cut(line, " ")
		if db != last {
			fmt.Fprintf(&b, "  SELECT %s\n", db)
			last = db
		}
		b.WriteString(rest)
	}
	return b.String()
}

// DiffText returns the difference, in the form of Diff, between the data and
// the data that a list of commands makes in an empty server. The list may be a
// text of Dump, for example from a golden file, or written by hand. The error
// is one of the text, or server.ErrClosed.
func (r *Kit) DiffText(want string) (string, error) {
	var databases int
	var now int64
	var got string
	err := r.control.Exec(func(c *commands.Context) { databases, now, got = len(c.Databases), c.Now, dump(c) })
	if err != nil {
		return "", err
	}
	made, err := New(server.Options{Databases: databases, Clock: server.NewManualClock(time.UnixMilli(now))})
	if err != nil {
		return "", err
	}
	defer made.Close()
	if err := made.Load(want); err != nil {
		return "", err
	}
	expected, err := made.Dump()
	return diffTexts(expected, got), err
}

// diffTexts compares two dumps.
func diffTexts(was, is string) string {
	var text strings.Builder
	a, b := byDatabase(was), byDatabase(is)
	for db := range max(len(a), len(b)) {
		var x, y []string
		if db < len(a) {
			x = a[db]
		}
		if db < len(b) {
			y = b[db]
		}
		writeDiff(&text, db, x, y)
	}
	return sections(text.String())
}

// byDatabase splits a dump into the lines of each database.
func byDatabase(dump string) (list [][]string) {
	list = [][]string{nil}
	for _, line := range split(dump) {
		if n := 0; strings.HasPrefix(line, "SELECT ") {
			fmt.Sscanf(line, "SELECT %d", &n)
			for len(list) <= n {
				list = append(list, nil)
			}
			continue
		}
		list[len(list)-1] = append(list[len(list)-1], line)
	}
	return list
}
