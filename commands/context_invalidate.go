package commands

import (
	"maps"
	"slices"

	"github.com/parley-chat/parley/internal/wire"
)

// What a client that tracks is told, and when: of a change by another client,
// at once; of its own, behind the reply to the call that made it; in broadcast
// mode, of all that has changed when the calls that were sent together have run.

// invalidationChannel is where RESP2 clients find what others redirect to them.
const invalidationChannel = "__redis__:invalidate"

// remember notes what the client has read, if it tracks that. Only rows that
// are ReadOnly count, whatever they replied.
func (c *Context) remember(m *Command, args [][]byte) {
	t := c.Client.tracking
	if t.optOut && t.caching {
		return
	}
	uses, _ := m.Keys.In(args)
	for _, use := range uses {
		c.Tracking.remember(c.Client, use.Key)
	}
}

// invalidate tells those who track a key that it has changed, and by whom: nil
// where no client did it, as when a key expires.
func (c *Context) invalidate(key []byte, by *Client) {
	c.Tracking.change(key, by)
	if k := c.Tracking.keys.find(key); k != nil {
		c.invalidateRead(k, by)
	}
}

// invalidateRead tells the readers of a key, once: they are not told again
// before they have read it again.
func (c *Context) invalidateRead(k *registeredName, by *Client) {
	m := invalidation([]string{k.name})
	for _, l := range c.Tracking.forget(k) {
		c.accountClient(l)
		if c.Tracking.byKey(l) && !(l.tracking.noLoop && l == by) {
			c.queueInvalidation(l, m)
		}
	}
}

// invalidateAll tells all who track that no key is what it was.
func (c *Context) invalidateAll() {
	readers := slices.Collect(maps.Keys(c.Tracking.readers))
	c.Tracking.forgetAll()
	for _, l := range readers {
		c.accountClient(l)
	}
	m := invalidation(nil)
	for l := range c.Tracking.clients {
		c.queueInvalidation(l, m)
	}
}

// invalidation is the message that some keys have changed; nil: that all may have.
func invalidation(keys []string) *Message {
	return newMessage(func(w *wire.Writer) {
		if w.RESP3() {
			w.Push(2)
			w.BulkString("invalidate")
		} else {
			w.Push(3)
			w.BulkString("message")
			w.BulkString(invalidationChannel)
		}
		if keys == nil {
			w.Null()
			return
		}
		w.Array(len(keys))
		for _, key := range keys {
			w.BulkString(key)
		}
	})
}

// queueInvalidation gives a client its message, or keeps what it itself is the cause
// of until its reply is complete.
func (c *Context) queueInvalidation(l *Client, m *Message) {
	if l == c.Client && c.depth > 0 {
		c.invalidations = append(c.invalidations, m)
		return
	}
	c.sendInvalidation(l, m)
}

// sendInvalidation gives a client its message, or gives it to the client that it has
// named instead. In RESP2 only such a one can receive it, while it is subscribed
// to something: as in Redis, to anything.
func (c *Context) sendInvalidation(l *Client, m *Message) {
	to := l
	if id := l.tracking.redirect; id != 0 {
		if to = c.Clients.Get(id); to == nil {
			c.notifyBrokenRedirect(l, id)
			return
		}
		if to.Protocol == 2 && to.Subscribed() == 0 {
			return
		}
	} else if l.Protocol == 2 {
		return
	}
	c.send(to, m)
}

// notifyBrokenRedirect tells a client that there is nobody at the other end of its
// redirection, so that it will not hear of changes.
func (c *Context) notifyBrokenRedirect(l *Client, id int64) {
	l.tracking.broken = true
	if l.Protocol == 2 {
		return
	}
	c.send(l, newMessage(func(w *wire.Writer) {
		w.Push(2)
		w.BulkString("tracking-redir-broken")
		w.Int64(id)
	}))
}

// FlushInvalidations must be called after a call is answered. It sends the client the
// invalidations that its own call caused, and ends the effect of CLIENT CACHING. m is nil
// for an unknown command.
func (c *Context) FlushInvalidations(m *Command) {
	if len(c.invalidations) > 0 {
		for _, message := range c.invalidations {
			c.sendInvalidation(c.Client, message)
		}
		c.invalidations = nil
	}
	t := c.Client.tracking
	if t == nil || !t.caching || c.Client.Multi != nil {
		return
	}
	if m == nil || m.parent == nil || !m.parent.Has(keepsCaching) {
		t.caching = false
	}
}

// BroadcastInvalidations sends clients in broadcast mode the keys that have changed since
// its last call, one message for each prefix. Then it evicts tracked keys above the limit.
func (c *Context) BroadcastInvalidations() {
	if len(c.Tracking.changed) > 0 {
		for _, p := range c.Tracking.takeChanged() {
			c.broadcast(p)
		}
	}
	c.limitTracked()
}

func (c *Context) broadcast(p *trackedPrefix) {
	keys := slices.Sorted(maps.Keys(p.changes))
	all := invalidation(keys)
	for l := range p.clients {
		m := all
		if l.tracking.noLoop {
			others := p.changedByOthers(l, keys)
			if len(others) == 0 {
				continue
			}
			m = invalidation(others)
		}
		c.sendInvalidation(l, m)
	}
	p.changes = nil
}

// limitTracked forgets keys at random while more are remembered than may be.
// Their readers are told as if they had changed. It goes only so far at once;
// when that is not enough, it goes further the next time.
func (c *Context) limitTracked() {
	t, most := &c.Tracking, c.Config.TrackingMaxKeys
	t.overruns++
	for effort := 100 * t.overruns; most > 0 && int64(t.numKeys()) > most; effort-- {
		if effort == 0 {
			return
		}
		_, k := t.keys.names.At(c.Rand.IntN(t.numKeys()))
		c.invalidateRead(k, nil)
	}
	t.overruns = 0
}
