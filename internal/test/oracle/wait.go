package oracle

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-chat/parley/commands"
)

// waiters are connections beside the others that send nothing but calls that
// wait for ever. Their replies are compared when they are needed next.
const waiters = 2

// Waits reports whether a call may wait for ever.
func (c Call) Waits() bool { return c.Conn >= connections }

// A waiting is a call whose reply may be long in coming.
type waiting struct {
	call    Call
	at      int
	replies [2]chan answer
	got     [2]*answer
}

type answer struct {
	reply reply
	err   error
}

// wait sends a call that may wait, and returns when both sides have replied to
// it or are waiting.
func (p *pair) wait(l *link, at int, c Call) error {
	if err := p.settle(l); err != nil {
		return err
	}
	w := &waiting{call: c, at: at}
	l.waiting = w
	request := appendCall(nil, c.Words)
	for side, wire := range l.wires {
		w.replies[side] = make(chan answer, 1)
		wire.conn.SetDeadline(time.Time{})
		if _, err := wire.conn.Write(request); err != nil {
			return err
		}
		go func() {
			r, err := readReply(wire.r)
			w.replies[side] <- answer{r, err}
		}()
	}
	for side := range p.sides {
		if err := p.untilBlocked(side, w); err != nil {
			return err
		}
	}
	return nil
}

// untilBlocked returns when a side has replied or says that it holds as many
// waiting clients as have no reply.
func (p *pair) untilBlocked(side int, w *waiting) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		unanswered := 0
		for _, l := range p.links {
			if l.waiting != nil && !l.waiting.answered(side) {
				unanswered++
			}
		}
		if w.answered(side) {
			return nil
		}
		info, err := p.one(p.checker, side, []string{"INFO", "clients"})
		if err != nil {
			return err
		}
		if strings.Contains(string(info), fmt.Sprintf("blocked_clients:%d\r\n", unanswered)) {
			return nil
		}
	}
	return fmt.Errorf("%s: %s neither waits nor replies", p.sides[side].Name, w.call)
}

func (w *waiting) answered(side int) bool {
	select {
	case a := <-w.replies[side]:
		w.got[side] = &a
	default:
	}
	return w.got[side] != nil
}

// settle compares the replies to the call that a link waits for. Should both
// sides still wait, it gives them something.
func (p *pair) settle(l *link) error {
	w := l.waiting
	if w == nil {
		return nil
	}
	for _, other := range p.links { // who came first is served first
		if other.waiting != nil && other.waiting.at < w.at {
			if err := p.settle(other); err != nil {
				return err
			}
		}
	}
	l.waiting = nil
	if keys := keysOf(commands.Standard(), w.call); len(keys) > 0 {
		var some string
		for key := range keys {
			some = max(some, key) // the same in each run of a script
		}
		for _, words := range [][]string{{"SELECT", "0"}, {"DEL", some}, {"ZADD", some, "1", "x"}} {
			if _, err := p.both(p.checker, words); err != nil {
				return err
			}
		}
	}
	var r [2]reply
	for side := range r {
		if !w.answered(side) {
			select {
			case a := <-w.replies[side]:
				w.got[side] = &a
			case <-time.After(patience / 10):
				w.got[side] = &answer{err: errors.New("waits still")}
			}
		}
		if err := w.got[side].err; err != nil {
			d := p.difference(w.call, r)
			d.Replies[side] = "no reply: " + err.Error()
			return p.located(d, w.at, w.call)
		}
		r[side] = w.got[side].reply
	}
	return p.located(p.judge(l, w.call, r), w.at, w.call)
}

func (p *pair) settleAll() error {
	for _, l := range p.links {
		if err := p.settle(l); err != nil {
			return err
		}
	}
	return nil
}
