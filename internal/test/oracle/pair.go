package oracle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// A Side is one of the two servers that are compared. No other client may use
// it.
type Side struct {
	Name string
	Dial func() (net.Conn, error)
}

const (
	pipelined  = 100 // calls sent before their replies are read
	stateEvery = 500 // calls after which the data is compared
	patience   = 3 * time.Minute
)

// A pair is both sides while one script runs. The first is the reference.
type pair struct {
	sides    [2]Side
	protocol int
	links    []*link
	checker  *link // reads the state; not part of the script
	events   [2]*wire
	trackers [2]trackers
	expired  [2]map[string]bool // keys, until the last comparison and the one before it
	open     []net.Conn
	trace    func(Call, [2]reply) // sees each call with its replies; may be nil
}

// A link is a connection to both sides, and its state.
type link struct {
	wires   [2]*wire
	multi   bool       // both have opened a transaction
	queue   [][]string // the calls in it
	before  exchange
	waiting *waiting // a call without a reply yet
}

// A wire is a connection to one side.
type wire struct {
	conn net.Conn
	r    *bufio.Reader
}

// A Difference is the result of a run: a call with different replies, or
// different data after it.
type Difference struct {
	At      int // the script's call
	Sent    int // calls sent until it was found
	Call    Call
	Names   [2]string
	Replies [2]string
	State   bool // it is the data that differs, the events or the invalidations
}

// Error returns the call and both replies.
func (d *Difference) Error() string {
	what := "different replies to"
	if d.State {
		what = "different data after"
	}
	return fmt.Sprintf("%s call %d\n%s\n%s:\n%s\n%s:\n%s", what, d.At, d.Call, d.Names[0], d.Replies[0], d.Names[1], d.Replies[1])
}

// Run empties both sides, sends them a script, and returns the first
// difference: a *Difference. Other errors are those of the connections.
func Run(sides [2]Side, protocol int, script []Call) error {
	return run(sides, protocol, script, nil)
}

func run(sides [2]Side, protocol int, script []Call, trace func(Call, [2]reply)) error {
	p := &pair{sides: sides, protocol: protocol, trace: trace}
	defer p.close()
	if err := p.begin(); err != nil {
		return err
	}
	for start := 0; start < len(script); {
		end := p.batch(script, start)
		err := p.exchange(script, start, end)
		if err == nil && (start/stateEvery != end/stateEvery || end == len(script)) {
			err = p.compareState(script, end-1)
		}
		if d := (*Difference)(nil); errors.As(err, &d) {
			d.Sent = end
			if !d.State && !d.Call.Waits() {
				d.Sent = d.At + 1
			}
		}
		if err != nil {
			return err
		}
		start = end
	}
	return nil
}

func (p *pair) begin() error {
	p.links = make([]*link, connections+waiters)
	for i := range p.links {
		p.links[i] = p.link()
	}
	p.checker = p.link()
	for i := range p.events {
		p.events[i] = p.wire(i)
	}
	for _, c := range p.open {
		if c == nil {
			return errors.New("oracle: a side does not accept connections")
		}
	}
	for _, l := range append(p.links, p.checker) {
		if _, err := p.both(l, []string{"HELLO", strconv.Itoa(p.protocol)}); err != nil {
			return err
		}
	}
	if _, err := p.both(p.checker, []string{"FLUSHALL"}); err != nil {
		return err
	}
	if err := p.track(); err != nil {
		return err
	}
	return p.listen()
}

func (p *pair) link() *link { return &link{wires: [2]*wire{p.wire(0), p.wire(1)}} }

func (p *pair) wire(side int) *wire {
	c, err := p.sides[side].Dial()
	if err != nil {
		p.open = append(p.open, nil)
		return nil
	}
	p.open = append(p.open, c)
	return newWire(c)
}

func newWire(c net.Conn) *wire { return &wire{c, bufio.NewReaderSize(c, 1<<16)} }

func (p *pair) close() {
	for _, c := range p.open {
		if c != nil {
			c.Close()
		}
	}
}

// batch returns the end of what may be sent in one go: calls of one connection,
// or a single one that is run alone.
func (p *pair) batch(script []Call, start int) (end int) {
	if script[start].single() {
		return start + 1
	}
	for end = start; end < len(script) && end < start+pipelined; end++ {
		c := script[end]
		if c.Conn != script[start].Conn || c.single() {
			break
		}
	}
	return end
}

// single reports whether a call is not sent together with others.
func (c Call) single() bool { return c.Waits() || rowRule(c.Words).isAlone(c.Words) }

// exchange sends calls of one connection and compares their replies.
func (p *pair) exchange(script []Call, start, end int) error {
	l := p.links[script[start].Conn]
	if script[start].Waits() {
		return p.wait(l, start, script[start])
	}
	if c := script[start]; rowRule(c.Words).isAlone(c.Words) {
		if l.multi {
			return nil // not sent: it would be run by EXEC, out of our sight
		}
		return p.located(rowRule(c.Words).alone(p, l, c), start, c)
	}
	calls := make([][]string, 0, end-start)
	for _, c := range script[start:end] {
		calls = append(calls, c.Words)
	}
	replies, err := p.send(l, calls)
	for i := range min(len(replies[0]), len(replies[1])) {
		pairOf := [2]reply{replies[0][i], replies[1][i]}
		if d := p.judge(l, script[start+i], pairOf); d != nil {
			return p.located(d, start+i, script[start+i])
		}
	}
	if err != nil {
		at := start + min(len(replies[0]), len(replies[1]))
		d := p.difference(script[at], [2]reply{})
		for i := range d.Replies {
			d.Replies[i] = "no reply: " + err.Error()
			if at-start < len(replies[i]) {
				d.Replies[i] = replies[i][at-start].String()
			}
		}
		return p.located(d, at, script[at])
	}
	return nil
}

// located completes a difference with where it was found.
func (p *pair) located(err error, at int, c Call) error {
	var d *Difference
	if errors.As(err, &d) {
		if d == nil {
			return nil
		}
		d.At, d.Call = at, c
	}
	return err
}

func (p *pair) difference(c Call, r [2]reply) *Difference {
	return &Difference{
		Call: c, Names: [2]string{p.sides[0].Name, p.sides[1].Name},
		Replies: [2]string{shown(r[0]), shown(r[1])},
	}
}

// shown renders a reply, a long one in part.
func shown(r reply) string {
	const longest = 2000
	text := r.String()
	if len(text) > longest {
		text = text[:longest] + "..."
	}
	return text
}

// judge compares the replies to one call, and notes what the link now is in.
func (p *pair) judge(l *link, c Call, r [2]reply) error {
	if p.trace != nil {
		p.trace(c, r)
	}
	if !p.agree(l, c.Words, r) {
		return p.difference(c, r)
	}
	l.note(c.Words, r[0])
	return nil
}

func (p *pair) agree(l *link, words []string, r [2]reply) bool {
	if bytes.Equal(r[0], r[1]) {
		return true
	}
	if len(r[0]) == 0 || len(r[1]) == 0 || r[0][0] == '-' || r[1][0] == '-' {
		return false
	}
	a, b := r[0].node(), r[1].node()
	if l.multi && strings.EqualFold(words[0], "EXEC") {
		return l.agreeEach(a, b)
	}
	return judged{words, a, b, l.before}.agree()
}

// agreeEach compares what EXEC replied, call by call.
func (l *link) agreeEach(a, b node) bool {
	if len(a.elems) != len(l.queue) || len(b.elems) != len(l.queue) {
		return false
	}
	before := l.before
	for i, words := range l.queue {
		x, y := a.elems[i], b.elems[i]
		if x.raw != y.raw && (x.kind == '-' || y.kind == '-' || !(judged{words, x, y, before}).agree()) {
			return false
		}
		before = exchange{words, x}
	}
	return true
}

func (j judged) agree() bool {
	compare := rowRule(j.words).compare
	return compare != nil && compare(j)
}

// note keeps what later calls are judged by.
func (l *link) note(words []string, r reply) {
	l.before = exchange{}
	if asksContents(words) || len(words) == 3 { // OBJECT ENCODING has three words
		l.before = exchange{words, r.node()}
	}
	switch {
	case r.is("+QUEUED\r\n"):
		l.queue = append(l.queue, words)
	case strings.EqualFold(words[0], "MULTI") && r.is("+OK\r\n"):
		l.multi, l.queue = true, nil
	case r.is("+RESET\r\n"):
		l.multi = false
	case strings.EqualFold(words[0], "EXEC"),
		strings.EqualFold(words[0], "DISCARD") && r.is("+OK\r\n"):
		l.multi = false
	}
}

// asksContents reports whether a call is one that the generator puts before
// another to judge it by.
func asksContents(words []string) bool {
	switch words[0] {
	case "KEYS", "SMEMBERS", "HGETALL", "ZRANGE":
		return true
	}
	return false
}

// send writes calls to both sides of a link and reads their replies. Those that
// came before an error are returned with it.
func (p *pair) send(l *link, calls [][]string) (replies [2][]reply, err error) {
	var request []byte
	for _, words := range calls {
		request = appendCall(request, words)
	}
	var errs [2]error
	done := make(chan struct{})
	for i := range l.wires {
		go func() {
			replies[i], errs[i] = l.wires[i].roundTrip(request, len(calls))
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("%s: %w", p.sides[i].Name, err)
		}
	}
	return replies, errors.Join(errs[:]...)
}

func appendCall(b []byte, words []string) []byte {
	b = fmt.Appendf(b, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b
}

func (w *wire) roundTrip(request []byte, n int) (replies []reply, err error) {
	w.conn.SetDeadline(time.Now().Add(patience))
	written := make(chan error, 1)
	go func() { // a server may want replies read before it takes more
		_, err := w.conn.Write(request)
		written <- err
	}()
	for range n {
		r, err := readReply(w.r)
		if err != nil {
			return replies, err
		}
		replies = append(replies, r)
	}
	return replies, <-written
}

// both sends one call to both sides and reads the replies.
func (p *pair) both(l *link, words []string) (r [2]reply, err error) {
	replies, err := p.send(l, [][]string{words})
	if err != nil {
		return r, err
	}
	return [2]reply{replies[0][0], replies[1][0]}, nil
}

// one sends one call to one side.
func (p *pair) one(l *link, side int, words []string) (reply, error) {
	replies, err := l.wires[side].roundTrip(appendCall(nil, words), 1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.sides[side].Name, err)
	}
	return replies[0], nil
}
