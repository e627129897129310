package oracle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-chat/parley/commands/resp"
)

// A talk is a script for several connections, of which each has one stream:
// everything that it receives from first to last, replies and messages in
// order. Streams are compared as a whole. This shows every difference in the
// order in which a connection receives data, without matching replies to calls.
//
// The calls of a talk run one after the other: the next is sent when the last
// has run, or is blocked. A connection whose call is blocked sends nothing
// until it has been served.
type talk struct {
	protocol int
	halves   [2]*half
	calls    []Call
}

// A half is one side of a talk.
type half struct {
	Side
	asker   *wire // asks which clients are blocked
	streams []*stream
	current []*stream // by connection
}

// A stream is a connection from its start to its end.
type stream struct {
	conn   net.Conn
	id     string // the client's ID in CLIENT LIST
	number int    // the script's connection
	cut    bool   // closed by us, so that its last data may be lost
	over   bool   // nothing more is sent
	muted  bool   // CLIENT REPLY has turned replies off, perhaps for one call only
	waits  bool
	ended  chan struct{} // closed when all has been read
	got    bytes.Buffer
}

// talkers is the number of connections. The last subscribes to keyspace events,
// and removes nothing from sorted sets: Redis sends a client the events of its
// own ZPOPMIN inside the reply to it.
const (
	talkers  = 4
	listener = talkers - 1
)

// leaves is the call that is none: the connection is closed, and opened anew.
const leaves = "(leaves)"

// expires is a call that no connection makes: a key gets expiresAfter to live, and that
// time passes.
const expires = "(expires)"

// expiresAfter is long enough for redis-server to run PEXPIRE: it reads the clock twice, and
// deletes the key if the deadline has passed by the second time.
const expiresAfter = 50 * time.Millisecond

// lastKey is a key of all calls that block.
const lastKey = "last"

// Talk runs a script as a talk and returns the streams that differ: a
// *Difference. Other errors are those of the connections.
func Talk(sides [2]Side, protocol int, script []Call) error {
	t := &talk{protocol: protocol, calls: script}
	defer t.close()
	for i, side := range sides {
		h, err := newHalf(side, protocol)
		t.halves[i] = h
		if err != nil {
			return err
		}
	}
	for i, c := range script {
		if err := t.say(c); err != nil {
			return t.located(err, i)
		}
	}
	if err := t.finish(); err != nil {
		return t.located(err, len(script)-1)
	}
	for i := range t.halves[0].streams {
		if d := t.compare(i); d != nil {
			return t.located(d, len(script)-1)
		}
	}
	return nil
}

func (t *talk) located(err error, at int) error {
	if d := (*Difference)(nil); errors.As(err, &d) {
		d.At, d.Sent, d.State = at, at+1, true
		d.Call = t.calls[at]
		d.Names = [2]string{t.halves[0].Name, t.halves[1].Name}
	}
	return err
}

func newHalf(side Side, protocol int) (*half, error) {
	h := &half{Side: side, current: make([]*stream, talkers)}
	conn, err := side.Dial()
	if err != nil {
		return h, err
	}
	h.asker = newWire(conn)
	// No events of expired: Redis sends them when it comes across the key.
	if _, err := h.asker.ask([][]string{{"FLUSHALL"}, {"CONFIG", "SET", "notify-keyspace-events", "Kg$shz"}}); err != nil {
		return h, err
	}
	for i := range talkers {
		if err := h.open(i, protocol); err != nil {
			return h, err
		}
	}
	return h, nil
}

// open gives a connection of the script a new stream.
func (h *half) open(number, protocol int) error {
	conn, err := h.Dial()
	if err != nil {
		return err
	}
	w := newWire(conn)
	conn.SetDeadline(time.Now().Add(patience))
	replies, err := w.ask([][]string{{"CLIENT", "ID"}, {"HELLO", strconv.Itoa(protocol)}})
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Time{})
	s := &stream{conn: conn, id: replies[0].node().text, number: number, ended: make(chan struct{})}
	h.streams, h.current[number] = append(h.streams, s), s
	go func() {
		defer close(s.ended)
		io.Copy(&s.got, w.r)
	}()
	return nil
}

// say makes one call on both sides and returns when it has run, or is blocked.
func (t *talk) say(c Call) error {
	if t.halves[0].current[c.Conn].waits && c.Words[0] != leaves {
		return nil
	}
	if c.Words[0] == expires {
		return t.expire(c.Words[1])
	}
	for _, h := range t.halves {
		s := h.current[c.Conn]
		s.muted = s.muted || len(c.Words) > 1 && strings.EqualFold(c.Words[1], "REPLY")
		if strings.EqualFold(c.Words[0], "QUIT") {
			s.unmute()
		}
		if c.Words[0] == leaves {
			s.end()
		} else if _, err := s.conn.Write(appendCall(nil, h.named(c.Words))); err != nil {
			return err
		}
		s.over = s.over || strings.EqualFold(c.Words[0], "QUIT")
		target := h.killed(c.Words)
		if err := h.look(); err != nil {
			return err
		}
		if target != nil { // or not, if the call was refused or queued
			target.end()
		}
	}
	return t.reopen()
}

// expire lets a key of database 0 expire on both sides, whose clocks both run in real time.
func (t *talk) expire(key string) error {
	ms := strconv.FormatInt(expiresAfter.Milliseconds(), 10)
	for _, h := range t.halves {
		if _, err := h.asker.ask([][]string{{"PEXPIRE", key, ms}}); err != nil {
			return err
		}
	}
	wait := strconv.FormatFloat((expiresAfter + time.Millisecond).Seconds(), 'f', -1, 64)
	if _, err := t.halves[0].asker.ask([][]string{{"BZPOPMIN", "a key that does not exist", wait}}); err != nil {
		return err
	}
	return t.reopen()
}

// unmute is for those who are about to leave: Redis does not close a connection
// that wants no reply to QUIT. RESET is never refused.
func (s *stream) unmute() {
	if s.muted {
		s.conn.Write(appendCall(nil, []string{"RESET"}))
	}
}

// end closes a stream whose last words are not compared.
func (s *stream) end() {
	s.cut, s.over = true, true
	s.conn.Close()
}

// named puts the client's id in the place of a connection's number: "#2".
func (h *half) named(words []string) []string {
	words = slices.Clone(words)
	for i, w := range words {
		if digit, found := strings.CutPrefix(w, "#"); found {
			n, _ := strconv.Atoi(digit)
			words[i] = h.current[n].id
		}
	}
	return words
}

// killed is the stream that CLIENT KILL is sent for.
func (h *half) killed(words []string) *stream {
	if len(words) == 4 && strings.EqualFold(words[1], "KILL") && strings.HasPrefix(words[3], "#") {
		n, _ := strconv.Atoi(words[3][1:])
		return h.current[n]
	}
	return nil
}

var flagsOf = regexp.MustCompile(`id=(\d+) .* flags=(\S+) `)

// look finds out which clients are blocked. When Redis replies to PING, it has
// run what was sent before, perhaps only after the PING: it reads all
// connections before it writes. parley runs a call within the Write to an
// in-memory connection.
func (h *half) look() error {
	if _, err := h.asker.ask([][]string{{"PING"}}); err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	r, err := h.asker.ask([][]string{{"CLIENT", "LIST"}})
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	waits := make(map[string]bool)
	for _, m := range flagsOf.FindAllStringSubmatch(string(r[0]), -1) {
		waits[m[1]] = strings.Contains(m[2], "b")
	}
	for _, s := range h.current {
		s.waits = waits[s.id]
	}
	return nil
}

// reopen compares which clients are blocked, and replaces connections that have
// ended.
func (t *talk) reopen() error {
	for i := range talkers {
		a, b := t.halves[0].current[i], t.halves[1].current[i]
		if a.waits != b.waits {
			d := new(Difference)
			for side, s := range []*stream{a, b} {
				d.Replies[side] = fmt.Sprintf("connection %d waits: %v", i, s.waits)
			}
			return d
		}
		if !a.over {
			continue
		}
		for _, h := range t.halves {
			if err := h.open(i, t.protocol); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish serves blocked clients and ends all streams.
func (t *talk) finish() error {
	for range talkers { // each time some of them are served
		if !t.waiting() {
			break
		}
		for _, h := range t.halves {
			for _, db := range []string{"1", "0"} {
				if _, err := h.asker.ask([][]string{{"SELECT", db}, {"DEL", lastKey}, {"ZADD", lastKey, "1", "a", "2", "b", "3", "c"}}); err != nil {
					return err
				}
			}
			if err := h.look(); err != nil {
				return err
			}
		}
		if err := t.reopen(); err != nil {
			return err
		}
	}
	if t.waiting() {
		return errors.New("oracle: a call waits for ever")
	}
	for _, h := range t.halves {
		for _, s := range h.current {
			s.unmute()
			s.conn.Write(appendCall(nil, []string{"QUIT"}))
		}
		for _, s := range h.streams {
			select {
			case <-s.ended:
			case <-time.After(patience):
				r, _ := h.asker.ask([][]string{{"CLIENT", "LIST"}})
				return fmt.Errorf("%s: connection %d, client %s, does not end: %s", h.Name, s.number, s.id, r)
			}
		}
	}
	return nil
}

func (t *talk) waiting() bool {
	return slices.ContainsFunc(t.halves[0].current, func(s *stream) bool { return s.waits })
}

func (t *talk) close() {
	for _, h := range t.halves {
		if h == nil {
			continue
		}
		for _, s := range h.streams {
			s.conn.Close()
		}
		if h.asker != nil {
			h.asker.conn.Close()
		}
	}
}

// compare compares stream i of both sides.
func (t *talk) compare(i int) error {
	a, b := t.halves[0].streams[i], t.halves[1].streams[i]
	if a.cut || bytes.Equal(a.got.Bytes(), b.got.Bytes()) {
		return nil
	}
	x, y := a.told(), b.told()
	for at := range max(len(x), len(y)) {
		if at < len(x) && at < len(y) && x[at] == y[at] {
			continue
		}
		d := new(Difference)
		for side, told := range [][]string{x, y} {
			d.Replies[side] = fmt.Sprintf("connection %d is told, from %d on:\n%s", a.number, at, strings.Join(told[min(at, len(told)):], "\n"))
		}
		return d
	}
	return nil
}

// told lists the content of the stream in a form that is the same on both
// sides.
func (s *stream) told() []string {
	var list []string
	rest := s.got.Bytes()
	for len(rest) > 0 {
		if _, err := resp.Parse(rest[:wholeReply(rest)]); err != nil {
			list = append(list, fmt.Sprintf("%q", rest)) // an EXEC that a CLIENT REPLY in it has muted
			break
		}
		var n node
		n, rest = nodeOf(rest)
		list = n.lines(list)
	}
	sortRuns(list, ended)
	sortRuns(list, matched)
	return list
}

// wholeReply is the length of the reply that p begins with.
func wholeReply(p []byte) int {
	r, _ := readReply(bufio.NewReader(bytes.NewReader(p)))
	return len(r)
}

// lines appends an element as text: one line if there are no elements within
// its elements, else one for its head and more for each of them. (What a client
// is told by itself within EXEC stands among what EXEC replies.)
func (n node) lines(list []string) []string {
	if !slices.ContainsFunc(n.elems, node.aggregate) {
		return append(list, n.plain())
	}
	list = append(list, fmt.Sprintf("%c%d:", n.kind, len(n.elems)))
	for i, e := range n.elems {
		if i > 0 && n.elems[i-1].text == "id" {
			e.raw = "(id)"
		}
		list = e.lines(list)
	}
	return list
}

// plain gives an element in one line. Names of channels, and other bare words, have no order.
func (n node) plain() string {
	if !n.aggregate() {
		return fmt.Sprintf("%q", n.raw)
	}
	parts := make([]string, len(n.elems))
	words := len(n.elems) > 1
	for i, e := range n.elems {
		parts[i] = e.plain()
		words = words && e.kind == '$'
	}
	if words && n.kind == '*' && !strings.HasSuffix(n.elems[0].text, "message") {
		slices.Sort(parts)
	}
	return fmt.Sprintf("%c%d %s", n.kind, len(n.elems), strings.Join(parts, " "))
}

// What Redis sends in no defined order: the end of several subscriptions at
// once, and one message by several patterns. The first group has no order; the
// second is what all lines of a run share.
var (
	ended   = regexp.MustCompile(`^[*>]3 "\$\d+\\r\\n[ps]?unsubscribe\\r\\n" (.*) ()":\d+\\r\\n"$`)
	matched = regexp.MustCompile(`^[*>]4 "\$8\\r\\npmessage\\r\\n" (.*?) (".*)$`)
)

// sortRuns sorts consecutive lines that have no order.
func sortRuns(list []string, line *regexp.Regexp) {
	for from := 0; from < len(list); {
		first := line.FindStringSubmatch(list[from])
		to := from
		var free []string
		for ; to < len(list); to++ {
			m := line.FindStringSubmatch(list[to])
			if m == nil || m[2] != first[2] {
				break
			}
			free = append(free, m[1])
		}
		slices.Sort(free)
		for i, part := range free {
			m := line.FindStringSubmatch(list[from+i])
			list[from+i] = strings.Replace(list[from+i], m[1], part, 1)
		}
		from = max(from+1, to)
	}
}
