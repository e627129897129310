package oracle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/commands/resp"
)

const databases = 16

// contentsOf says how to read a whole value, by its type.
var contentsOf = map[string][]string{
	"string": {"GET"}, "hash": {"HGETALL"}, "set": {"SMEMBERS"}, "zset": {"ZRANGE", "0", "-1", "WITHSCORES"},
}

// A record is a key with all that can be seen of it.
type record struct {
	db       int
	key      string
	facts    string // type, encoding and contents
	deadline int64  // Unix ms; -1: none
}

// compareState compares all data, and the events and invalidations since the
// last time. The difference is laid to the script's last call.
func (p *pair) compareState(script []Call, at int) error {
	if err := p.settleAll(); err != nil {
		return err
	}
	var states [2][]record
	for side := range p.sides {
		var err error
		if states[side], err = p.state(side); err != nil {
			return err
		}
	}
	d := p.difference(script[at], [2]reply{})
	d.At, d.State = at, true
	if d.Replies[0], d.Replies[1] = compareRecords(states[0], states[1]); d.Replies[0] != d.Replies[1] {
		return d
	}
	told, err := p.takeInvalidations()
	if err != nil {
		return err
	}
	if err := p.compareEvents(d); err != nil {
		return err
	}
	if err := p.compareInvalidations(d, told); err != nil {
		return err
	}
	return p.readTracked(states[0], told[0][0])
}

// compareRecords returns what differs first, or two empty texts.
func compareRecords(a, b []record) (string, string) {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return "", b[i].String()
		case i >= len(b):
			return a[i].String(), ""
		case a[i].same(b[i]):
		case a[i].name() < b[i].name():
			return a[i].String(), fmt.Sprintf("(no key %q in database %d)", a[i].key, a[i].db)
		case a[i].name() > b[i].name():
			return fmt.Sprintf("(no key %q in database %d)", b[i].key, b[i].db), b[i].String()
		default:
			return a[i].String(), b[i].String()
		}
	}
	return "", ""
}

func (r record) name() string { return fmt.Sprintf("%02d %s", r.db, r.key) }

func (r record) same(s record) bool {
	if r.name() != s.name() || r.facts != s.facts {
		return false
	}
	if r.deadline < 0 || s.deadline < 0 || r.deadline >= firstAbsolute*1000 && r.deadline < 2*firstAbsolute*1000 {
		return r.deadline == s.deadline
	}
	return max(r.deadline, s.deadline)-min(r.deadline, s.deadline) <= clockSkew*1000
}

// String tells where the key is, its deadline and what was asked about it.
func (r record) String() string {
	return fmt.Sprintf("%s in database %d, deadline %d: %s", resp.Quote(r.key), r.db, r.deadline, r.facts)
}

// state reads all keys of one side.
func (p *pair) state(side int) ([]record, error) {
	var calls [][]string
	for db := range databases {
		calls = append(calls, []string{"SELECT", strconv.Itoa(db)}, []string{"KEYS", "*"})
	}
	w := p.checker.wires[side]
	replies, err := w.ask(calls)
	if err != nil {
		return nil, err
	}
	var all []record
	for db := range databases {
		keys := replies[2*db+1].node().leaves()
		slices.Sort(keys)
		list, err := w.records(db, keys)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

func (w *wire) records(db int, keys []string) ([]record, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	calls := [][]string{{"SELECT", strconv.Itoa(db)}}
	for _, k := range keys {
		calls = append(calls, []string{"TYPE", k}, []string{"OBJECT", "ENCODING", k}, []string{"PEXPIRETIME", k})
	}
	facts, err := w.ask(calls)
	if err != nil {
		return nil, err
	}
	facts = facts[1:]
	calls = nil
	for i, k := range keys {
		read := contentsOf[facts[3*i].node().text]
		if read == nil {
			return nil, fmt.Errorf("key %q is a %s", k, facts[3*i])
		}
		calls = append(calls, append([]string{read[0], k}, read[1:]...))
	}
	contents, err := w.ask(calls)
	if err != nil {
		return nil, err
	}
	list := make([]record, len(keys))
	for i, k := range keys {
		kind, enc := facts[3*i].node().text, facts[3*i+1].node().text
		at, _ := strconv.ParseInt(facts[3*i+2].node().text, 10, 64)
		list[i] = record{db: db, key: k, deadline: at, facts: kind + " " + enc + " " + canonical(kind, enc, contents[i].node())}
	}
	return list, nil
}

// canonical gives a value's contents in an order that is the same for both sides.
func canonical(kind, encoding string, n node) string {
	width := 1
	if kind == "hash" || kind == "zset" {
		width = 2
	}
	words := grouped(n.leaves(), width)
	if encoding == "hashtable" {
		slices.Sort(words)
	}
	for i, word := range words {
		words[i] = resp.Quote(word)
	}
	return strings.Join(words, " ")
}

func (w *wire) ask(calls [][]string) ([]reply, error) {
	var request []byte
	for _, words := range calls {
		request = appendCall(request, words)
	}
	return w.roundTrip(request, len(calls))
}
