package testkit

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// Dump returns all data as text: the commands that create it, one line for each
// element, so that a diff of two dumps is readable.
//
//	SET greeting "hello all"
//	PEXPIRE greeting 30000
//	HSET user:1 name Ada
//	HPEXPIRE user:1 5000 FIELDS 1 name
//	SELECT 1
//	SADD online ada
//	ZADD seen 12.5 ada
//
// Databases are in order, with a SELECT before each except database 0. Keys,
// fields and members are sorted by their bytes, and members of sorted sets by
// score. Words are quoted as by redis-cli where necessary. Deadlines are times
// to live in milliseconds, so that the text does not depend on the date, and
// does not change while the clock stands still. Scores are exact; -0 is written
// as 0.
//
// Load accepts the text, and the data that it creates has the same dump. The
// dump does not contain what only OBJECT and the order of SCAN show: encodings,
// the last use of keys, and the order of a hash's fields. Dump takes time in
// proportion to the data, during which no command runs. The error is
// server.ErrClosed, or nil.
func (r *Kit) Dump() (text string, err error) {
	err = r.control.Exec(func(c *commands.Context) { text = dump(c) })
	return text, err
}

func dump(c *commands.Context) string {
	var w dumpWriter
	for i, db := range c.Databases {
		w.begin(i)
		for _, key := range sortedKeys(db) {
			w.key(key, entryOf(db, []byte(key), c.Now), c.Now)
		}
	}
	return w.String()
}

func sortedKeys(db *datastructs.Keyspace) []string {
	keys := make([]string, 0, db.Len())
	for key := range db.All() {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// An entry is the value and the deadline of a key. A nil value is an absent
// key.
type entry struct {
	value    datastructs.Value
	deadline int64 // Unix ms, if expires
	expires  bool
}

func entryOf(db *datastructs.Keyspace, key []byte, now int64) (h entry) {
	h.value = db.Peek(key, now)
	h.deadline, h.expires = db.Deadline(key)
	return h
}

// A dumpWriter writes a dump.
type dumpWriter struct {
	strings.Builder
	db       int
	selected bool // the SELECT of db has been written
}

func (w *dumpWriter) begin(db int) { w.db, w.selected = db, db == 0 }

// line writes a command.
func (w *dumpWriter) line(words ...[]byte) {
	if !w.selected {
		w.selected = true
		w.line([]byte("SELECT"), strconv.AppendInt(nil, int64(w.db), 10))
	}
	for i, p := range words {
		if i > 0 {
			w.WriteByte(' ')
		}
		w.WriteString(word(p))
	}
	w.WriteByte('\n')
}

// key writes the commands that create a key.
func (w *dumpWriter) key(key string, h entry, now int64) {
	name := []byte(key)
	switch v := h.value.(type) {
	case nil:
		return
	case *datastructs.String:
		w.line([]byte("SET"), name, v.Bytes())
	case *datastructs.Hash:
		w.hash(name, v, now)
	case *datastructs.Set:
		for _, member := range sortedMembers(v) {
			w.line([]byte("SADD"), name, member)
		}
	case *datastructs.SortedSet:
		for member, score := range v.Range(0, v.Len(), false) {
			w.line([]byte("ZADD"), name, formatScore(score), member)
		}
	}
	if h.expires {
		w.line([]byte("PEXPIRE"), name, formatInt(h.deadline-now))
	}
}

// hash writes the fields, and after them their deadlines.
func (w *dumpWriter) hash(key []byte, h *datastructs.Hash, now int64) {
	fields := make([][]byte, 0, h.Len())
	for field := range h.All() {
		fields = append(fields, field)
	}
	slices.SortFunc(fields, bytes.Compare)
	for _, field := range fields {
		value, _ := h.Get(field)
		w.line([]byte("HSET"), key, field, value)
	}
	for _, field := range fields {
		if at, ok := h.Deadline(field); ok {
			w.line([]byte("HPEXPIRE"), key, formatInt(at-now), []byte("FIELDS"), []byte("1"), field)
		}
	}
}

func sortedMembers(s *datastructs.Set) [][]byte {
	list := make([][]byte, 0, s.Len())
	for member := range s.All() {
		list = append(list, bytes.Clone(member))
	}
	slices.SortFunc(list, bytes.Compare)
	return list
}

func formatInt(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// formatScore formats a score in the fewest digits that restore it exactly. -0
// is written as 0: it equals 0, and small sets do not preserve it.
func formatScore(score float64) []byte {
	switch {
	case score == 0:
		return []byte("0")
	case math.IsInf(score, 0):
		return wire.AppendDouble(nil, score)
	}
	return strconv.AppendFloat(nil, score, 'g', -1, 64)
}

// word formats a word of a command. Printable text without spaces, of any
// language, stays as it is; other words are quoted, with non-printable
// characters escaped.
func word(p []byte) string {
	if !utf8.Valid(p) {
		return resp.Quote(p)
	}
	text := string(p)
	if text != "" && !strings.ContainsFunc(text, mustQuote) {
		return text
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		if r == ' ' || !mustQuote(r) {
			b.WriteRune(r)
			continue
		}
		quoted := resp.Quote(string(r))
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	b.WriteByte('"')
	return b.String()
}

func mustQuote(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(" \"'\\", r) }
