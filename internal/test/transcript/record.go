package transcript

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Record makes the calls of the file on a real Redis, once in RESP2 and once in
// RESP3, and replaces the replies in the file. The targets are two fresh
// servers. Unsolicited data (a second push, the end of a connection) gets steps
// of its own. Calls with replies "in any order" that turn out to be pairs are
// marked as such. Steps that need a newer server stay as they are.
func (f *File) Record(target2, target3 Target) error {
	steps := make([]recorded, len(f.steps))
	for i, s := range f.steps {
		steps[i].step = s
	}
	for i, target := range []Target{target2, target3} {
		var err error
		if steps, err = record(steps, target, i+2); err != nil {
			return fmt.Errorf("transcript: %s: RESP%d: %w", f.Name, i+2, err)
		}
	}
	f.steps = f.steps[:0]
	for _, s := range steps {
		f.steps = append(f.steps, s.settle())
	}
	return nil
}

// A recorded is a step with its answers in RESP2 and RESP3, once they are
// known.
type recorded struct {
	step
	answers [2]answer
	asked   bool // the server was: the answers are new
}

// settle returns the step with its replies.
func (r recorded) settle() step {
	s := r.step
	if !r.asked {
		return s
	}
	if s.order == inAny && pairedIn3(r.answers[0].value, r.answers[1].value) {
		s.order = inPairs
	}
	s.recorded = true
	for i, a := range r.answers {
		s.replies[i] = a.render(s.order)
	}
	return s
}

// A recording is a conversation whose replies are being recorded.
type recording struct {
	*conversation
	watch  *conn // for PING only; not part of the conversation
	unread map[string][]answer
	steps  []recorded
	end    int // index after the last step that is not a note
}

// record runs the conversation in one protocol, and returns its steps, those
// added included.
func record(steps []recorded, target Target, protocol int) ([]recorded, error) {
	watch, err := dial(target)
	if err != nil {
		return nil, err
	}
	r := &recording{conversation: newConversation(target, protocol), watch: watch, unread: make(map[string][]answer)}
	defer r.close()
	defer func() { r.watch.Close() }()
	for _, s := range steps {
		if err := r.add(s); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", s.line, s, err)
		}
	}
	r.putUnread()
	return r.steps, nil
}

func (r *recording) add(s recorded) (err error) {
	if r.skips(s.step) || s.kind == note || s.kind == since {
		r.steps = append(r.steps, s)
		return nil
	}
	if s.kind != read {
		r.putUnread()
	}
	switch s.kind {
	case advance:
		r.target.Advance(s.pause)
		err = r.catch()
	case call:
		err = r.call(&s)
	case read:
		err = r.take(&s)
	}
	r.steps = append(r.steps, s)
	r.end = len(r.steps)
	return err
}

func (r *recording) call(s *recorded) error {
	c, err := r.open(s.conn)
	if err != nil {
		return err
	}
	words, err := r.withIDs(s.words)
	if err != nil {
		return err
	}
	c.send(words)
	if err := r.catch(); err != nil {
		return err
	}
	return r.take(s)
}

// take gives a step the first unread answer of its connection.
func (r *recording) take(s *recorded) error {
	c := r.conns[s.conn]
	if c == nil {
		return errors.New("there is no such connection yet")
	}
	a := answer{none: !c.closed, closed: c.closed}
	if queue := r.unread[s.conn]; len(queue) > 0 {
		a, r.unread[s.conn] = queue[0], queue[1:]
	}
	s.answers[protocolIndex(r.protocol)], s.asked = r.name(a, s.order), true
	return nil
}

// putUnread adds steps for unsolicited data.
func (r *recording) putUnread() {
	for _, name := range slices.Sorted(maps.Keys(r.unread)) {
		for len(r.unread[name]) > 0 {
			s := recorded{step: step{kind: read, conn: name}}
			s.answers[0].none, s.answers[1].none = true, true
			r.take(&s) // cannot fail: the connection exists
			r.steps = slices.Insert(r.steps, r.end, s)
			r.end++
		}
	}
}

// catch reads everything sent so far.
func (r *recording) catch() error {
	// The first reply may come before a new connection is accepted, the second
	// before data of that time is sent. The third comes after all of it.
	for range 3 {
		if err := r.askWatch(); err != nil {
			return err
		}
	}
	for name, c := range r.conns {
		arrived, err := c.drain()
		if err != nil {
			return err
		}
		r.unread[name] = append(r.unread[name], arrived...)
	}
	return nil
}

// askWatch waits until the server has replied to a PING, possibly with an
// error. A call may have killed the connection; then it opens a new one.
func (r *recording) askWatch() error {
	r.watch.send([]string{"PING"})
	a, err := r.watch.read(patience)
	if err != nil || !a.closed {
		return err
	}
	r.watch.Close()
	if r.watch, err = dial(r.target); err != nil {
		return err
	}
	r.watch.send([]string{"PING"})
	_, err = r.watch.read(patience)
	return err
}

// drain reads all data that has arrived.
func (c *conn) drain() (arrived []answer, err error) {
	for !c.closed && (c.buffer.Buffered() > 0 || readable(c.Conn)) {
		a, err := c.read(patience)
		if err != nil {
			return nil, err
		}
		arrived = append(arrived, a)
	}
	return arrived, nil
}
