package server

import (
	"bytes"
	"container/list"
	"slices"
	"time"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
)

// waiting knows the calls that wait: for keys, first come first served, or for
// their time only. The engine's lock guards it.
type waiting struct {
	of      map[*commands.Client]*waiter
	byKey   map[waitKey][]*waiter
	ready   []waitKey // changed since they were served last
	isReady map[waitKey]bool
}

type waitKey struct {
	db  int
	key string
}

// A waiter is one call that waits.
type waiter struct {
	caller  *caller
	request request
	keys    []waitKey
	over    func(*resp.Writer) // the reply when the time is up
	took    time.Duration      // by the call before it had to wait
	stop    func() bool        // the timeout; nil without one
	held    *list.Element      // its place among those that a pause holds back; nil: it waits for something else

	bucket   *bucket // and its place among those who wait for their turn to guess; nil: likewise
	place    *list.Element
	punished bool // it waits because it has guessed wrong

	cancel func()        // ends its errand; nil: it waits for something else
	struck *list.Element // its place among those that strikes keep; nil: likewise
}

// changed is told each key that has changed.
func (w *waiting) changed(db int, key []byte) {
	if len(w.byKey) == 0 {
		return
	}
	k := waitKey{db, string(key)}
	if len(w.byKey[k]) == 0 || w.isReady[k] {
		return
	}
	if w.isReady == nil {
		w.isReady = make(map[waitKey]bool)
	}
	w.ready, w.isReady[k] = append(w.ready, k), true
}

// awaited lists the keys of a database that calls wait for, in order.
func (w *waiting) awaited(db int) (keys [][]byte) {
	for k := range w.byKey {
		if k.db == db {
			keys = append(keys, []byte(k.key))
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys
}

// park makes a call wait for its keys or its time.
func (e *engine) park(c *caller, r request, w *commands.Wait) {
	p := e.block(c, r)
	p.over = w.Over
	if w.Errand != nil {
		e.send(p, w.Errand)
	}
	for _, key := range w.Keys {
		k := waitKey{c.ctx.Index(), string(key)}
		queue := e.waiting.byKey[k]
		if len(queue) > 0 && queue[len(queue)-1] == p {
			continue // the call names this key twice
		}
		p.keys = append(p.keys, k)
		if e.waiting.byKey == nil {
			e.waiting.byKey = make(map[waitKey][]*waiter)
		}
		e.waiting.byKey[k] = append(queue, p)
	}
	if w.Timeout > 0 {
		e.tasks.Add(1)
		p.stop = e.clock.AfterFunc(time.Duration(w.Timeout)*time.Millisecond, func() { e.timeOut(p) })
	}
}

// block makes a caller wait: nothing of it runs until unpark.
func (e *engine) block(c *caller, r request) *waiter {
	r.args = commands.CloneArgs(r.args)
	p := &waiter{caller: c, request: r}
	if e.waiting.of == nil {
		e.waiting.of = make(map[*commands.Client]*waiter)
	}
	e.waiting.of[c.client] = p
	c.waiter, c.client.Blocked = p, true
	c.parked.Store(true)
	return p
}

// serve lets those go on for whom the last calls have changed something, in
// the order in which the keys changed and in which the callers came.
func (e *engine) serve(micros int64) {
	for len(e.waiting.ready) > 0 {
		k := e.waiting.ready[0]
		e.waiting.ready = e.waiting.ready[1:]
		delete(e.waiting.isReady, k)
		for _, p := range slices.Clone(e.waiting.byKey[k]) {
			if e.state.Databases[k.db].Peek([]byte(k.key), micros/1000) == nil {
				break // those before have taken all
			}
			if p.caller.waiter == p {
				e.retry(p, micros, []byte(k.key))
			}
		}
	}
	e.waiting.ready = nil
}

// retry makes a waiting call again because of a key. What is no answer to the
// call (nothing there yet, a key of another type) leaves it waiting. That the
// handler has panicked is an answer.
func (e *engine) retry(p *waiter, micros int64, key []byte) {
	c := p.caller
	if c.finished.Load() {
		return // killed, and about to leave
	}
	c.ctx.Begin(c.client, micros)
	c.ctx.Woken = key
	mark := c.w.Len()
	if err := c.ctx.Denied(p.request.command, p.request.args); err != nil {
		e.reject(c, p.request, err)
		c.ctx.Woken = nil
		e.release(p)
		return
	}
	begun := e.clock.Now()
	o := e.perform(&c.ctx, p.request.command, p.request.args)
	c.ctx.Woken = nil
	switch {
	case o.Wait != nil:
	case o.Err != nil && !o.Failed:
		c.w.Truncate(mark)
	default:
		c.ctx.ReportServed(p.request.command, p.request.args, o, p.took, since(e.clock, begun))
		e.release(p)
	}
}

// timeOut answers a waiting call that its time is up. Whatever it might have
// been given it has been offered already.
func (e *engine) timeOut(p *waiter) {
	defer e.tasks.Done()
	defer e.survive()
	e.mu.Lock()
	defer e.mu.Unlock()
	c := p.caller
	if c.waiter != p || e.closed || c.finished.Load() { // as in retry
		return
	}
	p.stop = nil
	p.over(&c.w)
	e.release(p)
	e.settled()
}

// unblock ends the call that a client waits in: as its timeout would, or with
// an error. It reports whether there was one.
func (e *engine) unblock(l *commands.Client, failure error) bool {
	p := e.waiting.of[l]
	if p == nil || p.held != nil || p.place != nil || p.struck != nil || p.punished || p.caller.finished.Load() { // as in retry
		return false
	}
	if failure != nil {
		p.caller.w.Error(failure)
		e.state.Stats.CountError(failure)
	} else {
		p.over(&p.caller.w)
	}
	e.state.Stats.Of(p.request.command).Failed.Add(1)
	e.release(p)
	return true
}

// release tells a caller that its call is answered. From unpark on the caller may
// run, which writes to w without the lock.
func (e *engine) release(p *waiter) {
	p.caller.client.Active = e.micros() / 1000 // it has not been idle
	e.cut(p.caller, p.request.strike, 0)
	p.caller.ctx.Answered(p.request.command)
	p.caller.ctx.EndCall()
	p.caller.answered()
	e.unpark(p)
	p.caller.resume()
}

// unpark lets a caller go on whose call waits no more. The call may be nil.
func (e *engine) unpark(p *waiter) {
	if p == nil {
		return
	}
	e.forget(p)
	p.caller.parked.Store(false)
}

// forget takes a call out of the queues.
func (e *engine) forget(p *waiter) {
	for _, k := range p.keys {
		rest := slices.DeleteFunc(e.waiting.byKey[k], func(q *waiter) bool { return q == p })
		if len(rest) == 0 {
			delete(e.waiting.byKey, k)
		} else {
			e.waiting.byKey[k] = rest
		}
	}
	if p.stop != nil && p.stop() {
		e.tasks.Done()
	}
	if p.held != nil {
		e.pausing.held.Remove(p.held)
		p.held = nil
	}
	p.leaveQueue()
	if p.cancel != nil {
		p.cancel()
	}
	if p.struck != nil {
		e.struck.kept.Remove(p.struck)
		p.struck = nil
	}
	c := p.caller
	delete(e.waiting.of, c.client)
	c.waiter, c.client.Blocked, c.client.Away = nil, false, false
}

// unparkAll is for Close: nobody waits any more, and nobody is answered.
func (e *engine) unparkAll() {
	for _, p := range e.waiting.of {
		e.unpark(p)
	}
}
