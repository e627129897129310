package commands

import (
	"cmp"
	"container/list"
	"slices"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/datastructs"
)

// A SubscriptionKind tells how a name is subscribed to.
type SubscriptionKind int

// The kinds of subscription.
const (
	ToChannel SubscriptionKind = iota
	ToPattern
	ToShard           // a channel of a cluster's shard, in a name space of its own
	subscriptionKinds = iota
)

// Channels knows who is subscribed to what. The zero value is ready. Names are
// kept in the order in which they were first subscribed to where that can be seen,
// which is for patterns.
type Channels struct {
	kinds    [subscriptionKinds]registry
	removals removals
}

// Subscribe enters a subscription and reports whether it is new.
func (s *Channels) Subscribe(l *Client, kind SubscriptionKind, name []byte) bool {
	r := &s.kinds[kind]
	if kind == ToPattern && r.order == nil {
		r.order = list.New()
	}
	if l.subscriptions[kind] == nil {
		l.subscriptions[kind] = &registrations{client: l}
	}
	_, added := l.subscriptions[kind].add(r, name)
	return added
}

// unsubscribe ends a subscription and reports whether there was one.
func (s *Channels) unsubscribe(l *Client, kind SubscriptionKind, name []byte) bool {
	return l.subscriptions[kind].remove(&s.kinds[kind], name)
}

// UnsubscribeAll ends all of a client's subscriptions without a word, as when
// it leaves.
func (s *Channels) UnsubscribeAll(l *Client) {
	for kind := range l.subscriptions {
		s.removals.start(l.subscriptions[kind])
		l.subscriptions[kind] = nil
	}
}

// Of lists what a client is subscribed to, sorted.
func (s *Channels) Of(l *Client, kind SubscriptionKind) []string {
	return slices.Sorted(l.subscriptions[kind].names())
}

// names lists what anyone is subscribed to, sorted.
func (s *Channels) names(kind SubscriptionKind) []string {
	list := make([]string, 0, s.kinds[kind].names.Len())
	for name, n := range s.kinds[kind].names.All() {
		if n.any() {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// count counts the names that anyone is subscribed to.
func (s *Channels) count(kind SubscriptionKind) (n int) {
	if !s.removals.any() {
		return s.kinds[kind].names.Len()
	}
	for _, name := range s.kinds[kind].names.All() {
		if name.any() {
			n++
		}
	}
	return n
}

// Subscribers counts the clients subscribed to a name.
func (s *Channels) Subscribers(kind SubscriptionKind, name []byte) (n int) {
	subscribed := s.kinds[kind].find(name)
	if !s.removals.any() {
		return subscribed.len()
	}
	for range subscribed.clients() {
		n++
	}
	return n
}

// Publish sends a message to all who are subscribed to its channel, and once
// more for each pattern that matches it; it returns how many it was sent to.
// The caller's own subscription receives it among its replies.
func (c *Context) Publish(channel, payload []byte) (receivers int) {
	kinds := &c.Channels.kinds
	if to := kinds[ToChannel].find(channel); to != nil {
		receivers += c.sendAll(to, newMessage(func(w *wire.Writer) {
			w.Push(3)
			w.BulkString("message")
			w.Bulk(channel)
			w.Bulk(payload)
		}), channel)
	}
	for pattern := range kinds[ToPattern].inOrder() {
		if !datastructs.Match([]byte(pattern.name), channel, false) {
			continue
		}
		receivers += c.sendAll(pattern, newMessage(func(w *wire.Writer) {
			w.Push(4)
			w.BulkString("pmessage")
			w.BulkString(pattern.name)
			w.Bulk(channel)
			w.Bulk(payload)
		}), channel)
	}
	c.published(Publication{channel, payload, false, receivers, c.Micros})
	return receivers
}

// A Publication is a message that was published. Channel and Payload are not to be
// kept or changed.
type Publication struct {
	Channel, Payload []byte
	Sharded          bool  // to subscribers of SSUBSCRIBE
	Receivers        int   // how often it was sent
	Micros           int64 // Unix µs
}

func (c *Context) published(p Publication) {
	if c.State.Published != nil {
		c.State.Published(p)
	}
}

// publishToShard is Publish for those who are subscribed with SSUBSCRIBE: no
// pattern ever matches.
func (c *Context) publishToShard(channel, payload []byte) (receivers int) {
	if to := c.Channels.kinds[ToShard].find(channel); to != nil {
		receivers = c.sendAll(to, newMessage(func(w *wire.Writer) {
			w.Push(3)
			w.BulkString("smessage")
			w.Bulk(channel)
			w.Bulk(payload)
		}), channel)
	}
	c.published(Publication{channel, payload, true, receivers, c.Micros})
	return receivers
}

// sendAll counts those whom the message was sent to, whether or not it arrives.
func (c *Context) sendAll(to *registeredName, m *Message, channel []byte) (receivers int) {
	if c.MessageCopies != nil {
		return c.sendInOrder(to, m, channel)
	}
	for l := range to.clients() {
		c.send(l, m)
		receivers++
	}
	return receivers
}

// sendInOrder is sendAll where it is asked of each client how often it gets the
// message: in the order in which they came, so that an answer by chance is the same
// with the same seed.
func (c *Context) sendInOrder(to *registeredName, m *Message, channel []byte) int {
	list := slices.SortedFunc(to.clients(), func(a, b *Client) int { return cmp.Compare(a.ID, b.ID) })
	for _, l := range list {
		for range c.MessageCopies(l, channel) {
			c.send(l, m)
		}
	}
	return len(list)
}

// send gives a client a message. The caller itself gets it in the order of its
// replies, others through their outbox.
func (c *Context) send(to *Client, m *Message) {
	switch {
	case to.replies.ended: // it is being closed
	case to == c.Client:
		first := c.Len() == c.call.mark
		c.Message(m.In(to.Protocol))
		if first {
			c.call.mark = c.Len() // it stays, should the reply be an error
		} else if c.Command != nil && c.Command.added {
			c.call.messages = append(c.call.messages, m)
		}
	case to.Peer != nil:
		to.Peer.Push(m)
	}
}
