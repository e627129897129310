package server

import (
	"bytes"
	"cmp"
	"container/list"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/datastructs"
)

// blockedCalls are the blocked calls, in order of arrival, and the queues of those that
// wait for keys. The engine's lock guards it.
type blockedCalls struct {
	all        list.List                           // of *blockedCall
	keys       map[int]*datastructs.Map[*keyQueue] // queues by database and key; none is empty
	ready      []*keyQueue                         // queues of keys changed since they were served
	nextServed *queuePlace                         // in the queue that is being served; nil: no more
	bytes      *atomic.Int64                       // counts the memory of the queues, too
}

// A keyQueue is a linked list of the calls that wait for one key, in order of arrival. It
// is deleted when it is empty.
type keyQueue struct {
	db          int
	key         string
	first, last *queuePlace
	ready       bool // it is in blockedCalls.ready
}

// A queuePlace is the element of one call in one keyQueue.
type queuePlace struct {
	queue      *keyQueue
	call       *blockedCall
	prev, next *queuePlace
}

// A blockedCall is a call that waits before it runs or is answered. Its caller runs no
// other call meanwhile.
type blockedCall struct {
	caller    *caller
	request   request
	reason    blockReason
	element   *list.Element      // in blockedCalls.all
	places    []queuePlace       // in the queues of its keys
	onTimeout func(*wire.Writer) // writes the reply on timeout; nil: the call runs again then
	timeout   timer              // calls timeOut or endDelay
	elapsed   time.Duration      // time that the call ran before it was blocked
	bytes     int                // counted in State.ClientBytes for this call
	detach    func()             // removes it from the list of its reason, or cancels; may be nil
}

// A blockReason is why a call is blocked.
type blockReason int

const (
	blockedByCommand   blockReason = iota // waits for a key or a timeout: BZPOPMIN, WAIT
	blockedByAsync                        // waits for startAsync
	blockedByPause                        // waits for the end of CLIENT PAUSE
	blockedByAuthLimit                    // waits for a token of the auth limiter
	blockedByAuthDelay                    // reply delayed after a wrong password
	blockedByFault                        // delayed by an injected fault
)

// unblockable reports whether CLIENT UNBLOCK ends such a call.
func (r blockReason) unblockable() bool { return r == blockedByCommand || r == blockedByAsync }

// queueIn appends the call to a list, and returns a function that removes it.
func (p *blockedCall) queueIn(l *list.List) (detach func()) {
	at := l.PushBack(p)
	return func() { l.Remove(at) }
}

// queue returns the queue of a key; nil if no call waits for it.
func (w *blockedCalls) queue(db int, key []byte) *keyQueue {
	if w.keys[db] == nil {
		return nil
	}
	q, _ := w.keys[db].Get(key)
	return q
}

// keyChanged marks the queue of a changed key as ready to be served.
func (w *blockedCalls) keyChanged(db int, key []byte) {
	if q := w.queue(db, key); q != nil && !q.ready {
		q.ready = true
		w.ready = append(w.ready, q)
	}
}

// awaitedKeys lists the keys of a database that calls wait for, in byte order.
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

// enqueue adds a call to the queues of its keys, once for each different key.
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

// dequeue removes a call from its queues.
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

// accountQueues runs change, and counts how much memory of the queues it has added.
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

// blockOn blocks a call as its handler has asked for: on keys, on a timeout, or on work
// that runs without the lock.
func (e *engine) blockOn(c *caller, r request, w *commands.Wait) {
	p := e.block(c, r, blockedByCommand)
	p.onTimeout = w.OnTimeout
	if w.Async != nil {
		e.startAsync(p, w.Async)
	}
	e.blocked.enqueue(p, c.ctx.Index(), w.Keys)
	e.countBlockedBytes(p, cap(p.places)*queuePlaceBytes)
	if w.Timeout > 0 {
		p.timeout.set(e.timers, time.Duration(w.Timeout)*time.Millisecond, func(n int) { e.timeOut(p, n) })
	}
}

// block blocks a caller until unblockCaller or rerun.
func (e *engine) block(c *caller, r request, reason blockReason) *blockedCall {
	r.args = commands.CloneArgs(r.args)
	p := &blockedCall{caller: c, request: r, reason: reason}
	p.element = e.blocked.all.PushBack(p)
	c.blocked, c.client.Blocked, c.client.Waiting = p, true, r.args
	c.isBlocked.Store(true)
	e.countBlockedBytes(p, blockedCallBytes+argsBytes(r.args))
	return p
}

// countBlockedBytes adds n bytes, which may be negative, to the memory of a blocked call.
func (e *engine) countBlockedBytes(p *blockedCall, n int) {
	p.bytes += n
	p.caller.client.WaitingBytes += n
	e.state.ClientBytes.Add(int64(n))
}

// Memory of blocked calls, in bytes.
const (
	blockedCallBytes = int(unsafe.Sizeof(blockedCall{}) + unsafe.Sizeof(list.Element{}))
	keyQueueBytes    = int(unsafe.Sizeof(keyQueue{}))
	queuePlaceBytes  = int(unsafe.Sizeof(queuePlace{}))
)

// serveQueues runs the calls that wait for changed keys again: keys in the order in which
// they changed, calls in order of arrival. No call is added to a queue meanwhile.
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
				break // the key is gone, or has another type
			}
			p := w.nextServed.call
			w.nextServed = w.nextServed.next
			e.retry(p, micros, key)
		}
		w.nextServed = nil
	}
	w.ready = nil
}

// retry runs a blocked call again because a key has changed. The call stays blocked if
// there is still nothing for it, or if the key has another type. A panic of the handler
// ends it.
func (e *engine) retry(p *blockedCall, micros int64, key []byte) {
	c := p.caller
	defer e.recoverBlockedCall(c)
	if c.finished.Load() {
		return // killed, and about to be removed
	}
	c.ctx.Begin(c.client, micros)
	c.ctx.Woken = key
	mark := c.w.Len()
	if err := c.ctx.ACLError(p.request.command, p.request.args); err != nil {
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

// timeOut replies to a blocked call whose timeout has passed. It has missed nothing: each
// change of its keys was offered to it.
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

// unblock ends the blocked call of a client: with failure, or if that is nil, as its
// timeout would. It reports whether there was such a call.
func (e *engine) unblock(l *commands.Client, failure error) bool {
	c := e.callerOf(l)
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

// finishBlocked sends the reply in w and unblocks the caller. From unblockCaller on, the
// caller may run and write to w without the lock.
func (e *engine) finishBlocked(p *blockedCall) {
	p.caller.client.Active = e.micros() / 1000 // it has not been idle
	e.applyCut(p.caller, p.request.fault, 0)
	p.caller.ctx.FlushInvalidations(p.request.command)
	p.caller.ctx.EndCall()
	p.caller.conn.deliver()
	e.unblockCaller(p)
	p.caller.conn.resume()
}

// unblockCaller removes a blocked call, so that its caller may run. p may be nil.
func (e *engine) unblockCaller(p *blockedCall) {
	if p == nil {
		return
	}
	e.removeBlocked(p)
	p.caller.isBlocked.Store(false)
}

// removeBlocked removes a blocked call from all lists and stops its timer. Its caller
// remains blocked until isBlocked is false.
func (e *engine) removeBlocked(p *blockedCall) {
	e.blocked.dequeue(p)
	e.blocked.all.Remove(p.element)
	p.timeout.clear(e.timers)
	if p.detach != nil {
		p.detach()
	}
	c := p.caller
	e.countBlockedBytes(p, -p.bytes)
	c.blocked, c.client.Blocked, c.client.AsyncPending, c.client.Waiting = nil, false, false, nil
}

// unblockAll unblocks all callers, without replies, for close.
func (e *engine) unblockAll() {
	for at := e.blocked.all.Front(); at != nil; at = e.blocked.all.Front() {
		e.unblockCaller(at.Value.(*blockedCall))
	}
}

// waitingCalls lists the blocked calls, those of Do included, by client ID.
func (e *engine) waitingCalls() []commands.WaitingCall {
	list := make([]commands.WaitingCall, 0, e.blocked.all.Len())
	for at := e.blocked.all.Front(); at != nil; at = at.Next() {
		p := at.Value.(*blockedCall)
		list = append(list, commands.WaitingCall{
			Client:    p.caller.client,
			Command:   p.request.command,
			Args:      p.request.args,
			Postponed: !p.reason.unblockable(),
		})
	}
	slices.SortFunc(list, func(a, b commands.WaitingCall) int { return cmp.Compare(a.Client.ID, b.Client.ID) })
	return list
}
