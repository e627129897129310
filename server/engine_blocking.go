package server

import (
	"bytes"
	"cmp"
	"container/list"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// waiting knows the calls that wait: for keys, first come first served, or for
// their time only. The engine's lock guards it.
type blockedCalls struct {
	all        list.List                           // of *blockedCall
	keys       map[int]*datastructs.Map[*keyQueue] // by database; those of which keys are waited for
	ready      []*keyQueue                         // whose keys have changed since they were served last
	nextServed *queuePlace                         // in the queue that is being served; nil: none is left
	bytes      *atomic.Int64                       // takes in what the queues take
}

// A keyQueue is the calls that wait for one key, in the order in which they came.
// One that has become empty is dropped.
type keyQueue struct {
	db          int
	key         string
	first, last *queuePlace
	ready       bool // it is in the list of those
}

// A queuePlace is the place of one call in one queue.
type queuePlace struct {
	queue      *keyQueue
	call       *blockedCall
	prev, next *queuePlace
}

// A blockedCall is one call whose reply has to wait. Its caller runs nothing meanwhile.
type blockedCall struct {
	caller    *caller
	request   request
	reason    blockReason
	element   *list.Element      // its place among all
	places    []queuePlace       // its places in the queues of its keys
	onTimeout func(*resp.Writer) // the reply when its time is up; nil: it runs again then
	timeout   timer              // calls timeOut or endDelay
	elapsed   time.Duration      // by the call before it was blocked
	bytes     int                // that it counts in State.Held
	detach    func()             // takes it out of what its reason keeps of it; nil: nothing does
}

// A blockReason is what a call waits for.
type blockReason int

const (
	blockedByCommand   blockReason = iota // a key, or a time: BZPOPMIN, WAIT
	blockedByAsync                        // work that runs without the lock
	blockedByPause                        // the end of CLIENT PAUSE
	blockedByAuthLimit                    // its turn to try a password
	blockedByAuthDelay                    // the delay after a wrong password
	blockedByFault                        // a fault that a test has injected
)

// unblockable reports whether CLIENT UNBLOCK ends it.
func (r blockReason) unblockable() bool { return r == blockedByCommand || r == blockedByAsync }

// queueIn appends the call to a list, and returns what takes it out again.
func (p *blockedCall) queueIn(l *list.List) (leave func()) {
	at := l.PushBack(p)
	return func() { l.Remove(at) }
}

// queue returns the queue of a key, or nil.
func (w *blockedCalls) queue(db int, key []byte) *keyQueue {
	if w.keys[db] == nil {
		return nil
	}
	q, _ := w.keys[db].Get(key)
	return q
}

// changed is told each key that has changed.
func (w *blockedCalls) keyChanged(db int, key []byte) {
	if q := w.queue(db, key); q != nil && !q.ready {
		q.ready = true
		w.ready = append(w.ready, q)
	}
}

// awaited lists the keys of a database that calls wait for, in order.
func (w *blockedCalls) awaitedKeys(db int) (keys [][]byte) {
	if w.keys[db] == nil {
		return nil
	}
	for key := range w.keys[db].All() {
		keys = append(keys, []byte(key))
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys
}

// enqueue puts a call into the queues of its keys. One that it names twice it
// waits for once.
func (w *blockedCalls) enqueue(p *blockedCall, db int, keys [][]byte) {
	if len(keys) == 0 {
		return
	}
	if w.keys == nil {
		w.keys = make(map[int]*datastructs.Map[*keyQueue])
	}
	if w.keys[db] == nil {
		w.keys[db] = new(datastructs.Map[*keyQueue])
	}
	queues := w.keys[db]
	w.accountQueues(queues, func() {
		p.places = make([]queuePlace, 0, len(keys))
		for _, key := range keys {
			q, ok := queues.Get(key)
			if !ok {
				q = &keyQueue{db: db}
				q.key = queues.Add(key, q)
			} else if q.last.call == p {
				continue
			}
			p.places = append(p.places, queuePlace{queue: q, call: p})
			q.push(&p.places[len(p.places)-1])
		}
	})
}

// dequeue takes a call out of its queues.
func (w *blockedCalls) dequeue(p *blockedCall) {
	if len(p.places) == 0 {
		return
	}
	db := p.places[0].queue.db
	queues := w.keys[db]
	w.accountQueues(queues, func() {
		for i := range p.places {
			at := &p.places[i]
			if w.nextServed == at {
				w.nextServed = at.next
			}
			if at.queue.remove(at); at.queue.first == nil {
				queues.Delete(at.queue.key)
			}
		}
	})
	p.places = nil
	if queues.Len() == 0 {
		delete(w.keys, db)
	}
}

// accountQueues counts what a change makes the queues take.
func (w *blockedCalls) accountQueues(queues *datastructs.Map[*keyQueue], change func()) {
	before := queues.Bytes() + queues.Len()*keyQueueBytes
	change()
	w.bytes.Add(int64(queues.Bytes() + queues.Len()*keyQueueBytes - before))
}

func (q *keyQueue) push(p *queuePlace) {
	p.prev = q.last
	if q.last == nil {
		q.first = p
	} else {
		q.last.next = p
	}
	q.last = p
}

func (q *keyQueue) remove(p *queuePlace) {
	if p.prev == nil {
		q.first = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		q.last = p.prev
	} else {
		p.next.prev = p.prev
	}
}

// blockOn makes a call wait for its keys or its time.
func (e *engine) blockOn(c *caller, r request, w *commands.Wait) {
	p := e.block(c, r, blockedByCommand)
	p.onTimeout = w.Over
	if w.Errand != nil {
		e.startAsync(p, w.Errand)
	}
	e.blocked.enqueue(p, c.ctx.Index(), w.Keys)
	e.countBlockedBytes(p, cap(p.places)*queuePlaceBytes)
	if w.Timeout > 0 {
		p.timeout.set(e.timers, time.Duration(w.Timeout)*time.Millisecond, func(n int) { e.timeOut(p, n) })
	}
}

// block makes a caller wait: nothing of it runs until unpark.
func (e *engine) block(c *caller, r request, reason blockReason) *blockedCall {
	r.args = commands.CloneArgs(r.args)
	p := &blockedCall{caller: c, request: r, reason: reason}
	p.element = e.blocked.all.PushBack(p)
	c.blocked, c.client.Blocked, c.client.Waiting = p, true, r.args
	c.isBlocked.Store(true)
	e.countBlockedBytes(p, blockedCallBytes+argsBytes(r.args))
	return p
}

// count counts n bytes more, or less, of a call that waits.
func (e *engine) countBlockedBytes(p *blockedCall, n int) {
	p.bytes += n
	p.caller.client.WaitingBytes += n
	e.state.Held.Add(int64(n))
}

// What calls that wait take, in bytes.
const (
	blockedCallBytes = int(unsafe.Sizeof(blockedCall{}) + unsafe.Sizeof(list.Element{}))
	keyQueueBytes    = int(unsafe.Sizeof(keyQueue{}))
	queuePlaceBytes  = int(unsafe.Sizeof(queuePlace{}))
)

// serve lets those go on for whom the last calls have changed something, in
// the order in which the keys changed and in which the callers came. Nobody comes
// to a queue meanwhile.
func (e *engine) serveQueues(micros int64) {
	w := &e.blocked
	for len(w.ready) > 0 {
		q := w.ready[0]
		w.ready[0] = nil
		w.ready = w.ready[1:]
		q.ready = false
		for w.nextServed = q.first; w.nextServed != nil; {
			key := []byte(q.key)
			if v := e.state.Databases[q.db].Peek(key, micros/1000); v == nil || v.Kind() != datastructs.KindSortedSet {
				break // those before have taken all, or it has become something else
			}
			p := w.nextServed.call
			w.nextServed = w.nextServed.next
			e.retry(p, micros, key)
		}
		w.nextServed = nil
	}
	w.ready = nil
}

// retry makes a waiting call again because of a key. What is no answer to the
// call (nothing there yet, a key of another type) leaves it waiting. That the
// handler has panicked is an answer.
func (e *engine) retry(p *blockedCall, micros int64, key []byte) {
	c := p.caller
	defer e.recoverBlockedCall(c)
	if c.finished.Load() {
		return // killed, and about to leave
	}
	c.ctx.Begin(c.client, micros)
	c.ctx.Woken = key
	mark := c.w.Len()
	if err := c.ctx.Denied(p.request.command, p.request.args); err != nil {
		e.reject(c, p.request, err)
		c.ctx.Woken = nil
		e.finishBlocked(p)
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
		c.ctx.ReportServed(p.request.command, p.request.args, o, p.elapsed, since(e.clock, begun))
		e.finishBlocked(p)
	}
}

// timeOut answers a blocked call whose time is up. It has missed nothing: each change of
// its keys was offered to it.
func (e *engine) timeOut(p *blockedCall, n int) {
	e.background("(timeout of a blocked call)", func() {
		if !p.timeout.fire(n) || p.caller.finished.Load() { // as in retry
			return
		}
		defer e.recoverBlockedCall(p.caller)
		p.onTimeout(&p.caller.w)
		e.finishBlocked(p)
	})
}

// unblock ends the call that a client waits in: as its timeout would, or with
// an error. It reports whether there was one.
func (e *engine) unblock(l *commands.Client, failure error) bool {
	c := callerOf(l)
	if c == nil || c.blocked == nil {
		return false
	}
	p := c.blocked
	if !p.reason.unblockable() || c.finished.Load() { // as in retry
		return false
	}
	defer e.recoverBlockedCall(c)
	if failure != nil {
		p.caller.w.Error(failure)
		e.state.Stats.CountError(failure)
	} else {
		p.onTimeout(&p.caller.w)
	}
	e.state.Stats.Of(p.request.command).Failed.Add(1)
	e.finishBlocked(p)
	return true
}

// finishBlocked tells a caller that its call is answered. From unpark on the caller may
// run, which writes to w without the lock.
func (e *engine) finishBlocked(p *blockedCall) {
	p.caller.client.Active = e.micros() / 1000 // it has not been idle
	e.applyCut(p.caller, p.request.fault, 0)
	p.caller.ctx.Answered(p.request.command)
	p.caller.ctx.EndCall()
	p.caller.deliverReply()
	e.unblockCaller(p)
	p.caller.resume()
}

// unblockCaller lets a caller go on whose call waits no more. The call may be nil.
func (e *engine) unblockCaller(p *blockedCall) {
	if p == nil {
		return
	}
	e.removeBlocked(p)
	p.caller.isBlocked.Store(false)
}

// forget takes a call out of the queues.
func (e *engine) removeBlocked(p *blockedCall) {
	e.blocked.dequeue(p)
	e.blocked.all.Remove(p.element)
	p.timeout.clear(e.timers)
	if p.detach != nil {
		p.detach()
	}
	c := p.caller
	e.countBlockedBytes(p, -p.bytes)
	c.blocked, c.client.Blocked, c.client.Away, c.client.Waiting = nil, false, false, nil
}

// unblockAll is for Close: nobody waits any more, and nobody is answered.
func (e *engine) unblockAll() {
	for at := e.blocked.all.Front(); at != nil; at = e.blocked.all.Front() {
		e.unblockCaller(at.Value.(*blockedCall))
	}
}

// waitingCalls lists the calls that wait, those of Do among them, in the order in
// which their clients came.
func (e *engine) waitingCalls() []commands.WaitingCall {
	list := make([]commands.WaitingCall, 0, e.blocked.all.Len())
	for at := e.blocked.all.Front(); at != nil; at = at.Next() {
		p := at.Value.(*blockedCall)
		list = append(list, commands.WaitingCall{Client: p.caller.client, Command: p.request.command, Args: p.request.args, Held: !p.reason.unblockable()})
	}
	slices.SortFunc(list, func(a, b commands.WaitingCall) int { return cmp.Compare(a.Client.ID, b.Client.ID) })
	return list
}
