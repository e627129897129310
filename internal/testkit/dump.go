package testkit

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// Dump returns all data as text: the commands that make it, one a line for each
// element, so that two such texts compare well.
//
//	SET greeting "hello all"
//	PEXPIRE greeting 30000
//	HSET user:1 name Ada
//	HPEXPIRE user:1 5000 FIELDS 1 name
//	SELECT 1
//	SADD online ada
//	ZADD seen 12.5 ada
//
// Databases come in order, a SELECT before each but database 0; keys, fields and
// members sorted by their bytes, those of sorted sets in their order. Words are
// quoted as by redis-cli where they need it. Deadlines are the milliseconds that
// are left, so that the text does not depend on the date, and is the same
// as long as the clock stands still. Scores are exact; -0 is written as 0.
//
// All that Load needs is there, and what it makes of it has the same Dump. What is
// not kept is what no command asks for but OBJECT, and SCAN in its order: encodings,
// the last use of keys, and the order of a hash's fields. It takes time for all
// there is, during which no command runs. The error is server.ErrClosed, or nil.
func (r *Kit) Dump() (text string, err error) {
	err = r.control.Exec(func(c *commands.Context) { text = dump(c) })
	return text, err
}

func dump(c *commands.Context) string {
	var w lines
	for i, db := range c.Databases {
		w.begin(i)
		for _, key := range sortedKeys(db) {
			w.key(key, held(db, []byte(key), c.Now), c.Now)
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

// A holding is what a key holds. It is absent if it has no value.
type holding struct {
	value       datastructs.Value
	at          int64 // its deadline, if hasDeadline
	hasDeadline bool
}

func held(db *datastructs.Keyspace, key []byte, now int64) (h holding) {
	h.value = db.Peek(key, now)
	h.at, h.hasDeadline = db.Deadline(key)
	return h
}

// lines composes the text.
type lines struct {
	strings.Builder
	db   int
	told bool // that db is selected
}

func (w *lines) begin(db int) { w.db, w.told = db, db == 0 }

// line writes a command.
func (w *lines) line(words ...[]byte) {
	if !w.told {
		w.told = true
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

// key writes all that a key holds.
func (w *lines) key(key string, h holding, now int64) {
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
			w.line([]byte("ZADD"), name, exact(score), member)
		}
	}
	if h.hasDeadline {
		w.line([]byte("PEXPIRE"), name, decimal(h.at-now))
	}
}

// hash writes the fields, and behind them the deadlines that they have.
func (w *lines) hash(key []byte, h *datastructs.Hash, now int64) {
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
			w.line([]byte("HPEXPIRE"), key, decimal(at-now), []byte("FIELDS"), []byte("1"), field)
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

func decimal(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// exact is a score in the fewest digits that give it back. -0 is no score of its
// own: it equals 0, and small sets do not keep it.
func exact(score float64) []byte {
	switch {
	case score == 0:
		return []byte("0")
	case math.IsInf(score, 0):
		return resp.AppendDouble(nil, score)
	}
	return strconv.AppendFloat(nil, score, 'g', -1, 64)
}

// word is a word of a command as it is written: as it is where it is text without
// space, of any language, else in quotes, with what cannot be shown escaped.
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
