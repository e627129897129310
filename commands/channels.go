package commands

import (
	"cmp"
	"container/list"
	"maps"
	"slices"

	"github.com/parley-chat/parley/commands/resp"
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

// Channels knows who is subscribed to what. The zero value is ready.
type Channels struct {
	subscribers [subscriptionKinds]map[string]map[*Client]struct{}
	patterns    list.List                // of string, in the order in which they were first subscribed to
	places      map[string]*list.Element // of the patterns
}

// Subscribe enters a subscription and reports whether it is new.
func (s *Channels) Subscribe(l *Client, kind SubscriptionKind, name string) bool {
	if _, held := l.subscriptions[kind][name]; held {
		return false
	}
	if l.subscriptions[kind] == nil {
		l.subscriptions[kind] = make(map[string]struct{})
	}
	if s.subscribers[kind] == nil {
		s.subscribers[kind] = make(map[string]map[*Client]struct{})
	}
	if s.subscribers[kind][name] == nil {
		s.subscribers[kind][name] = make(map[*Client]struct{})
		if kind == ToPattern {
			if s.places == nil {
				s.places = make(map[string]*list.Element)
			}
			s.places[name] = s.patterns.PushBack(name)
		}
	}
	l.subscriptions[kind][name] = struct{}{}
	l.namesSize += len(name)
	s.subscribers[kind][name][l] = struct{}{}
	return true
}

// Unsubscribe ends a subscription and reports whether there was one.
func (s *Channels) Unsubscribe(l *Client, kind SubscriptionKind, name string) bool {
	if _, held := l.subscriptions[kind][name]; !held {
		return false
	}
	delete(l.subscriptions[kind], name)
	l.namesSize -= len(name)
	delete(s.subscribers[kind][name], l)
	if len(s.subscribers[kind][name]) == 0 {
		delete(s.subscribers[kind], name)
		if kind == ToPattern {
			s.patterns.Remove(s.places[name])
			delete(s.places, name)
		}
	}
	return true
}

// UnsubscribeAll ends all of a client's subscriptions without a word, as when
// it leaves.
func (s *Channels) UnsubscribeAll(l *Client) {
	for kind := range SubscriptionKind(subscriptionKinds) {
		for name := range l.subscriptions[kind] {
			s.Unsubscribe(l, kind, name)
		}
	}
}

// Of lists what a client is subscribed to, sorted.
func (s *Channels) Of(l *Client, kind SubscriptionKind) []string {
	return slices.Sorted(maps.Keys(l.subscriptions[kind]))
}

// Names lists what anyone is subscribed to, sorted.
func (s *Channels) Names(kind SubscriptionKind) []string {
	return slices.Sorted(maps.Keys(s.subscribers[kind]))
}

// Len counts the names that anyone is subscribed to.
func (s *Channels) Len(kind SubscriptionKind) int { return len(s.subscribers[kind]) }

// Subscribers counts the clients subscribed to a name.
func (s *Channels) Subscribers(kind SubscriptionKind, name []byte) int {
	return len(s.subscribers[kind][string(name)])
}

// Publish sends a message to all who are subscribed to its channel, and once
// more for each pattern that matches it; it returns how many it was sent to.
// The caller's own subscription receives it among its replies.
func (c *Context) Publish(channel, payload []byte) (receivers int) {
	s := &c.Channels
	if to := s.subscribers[ToChannel][string(channel)]; len(to) > 0 {
		receivers += c.sendAll(to, NewMessage(func(w *resp.Writer) {
			w.Push(3)
			w.BulkString("message")
			w.Bulk(channel)
			w.Bulk(payload)
		}), channel)
	}
	for e := s.patterns.Front(); e != nil; e = e.Next() {
		pattern := e.Value.(string)
		if !datastructs.Match([]byte(pattern), channel, false) {
			continue
		}
		receivers += c.sendAll(s.subscribers[ToPattern][pattern], NewMessage(func(w *resp.Writer) {
			w.Push(4)
			w.BulkString("pmessage")
			w.BulkString(pattern)
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

// PublishToShard is Publish for those who are subscribed with SSUBSCRIBE: no
// pattern ever matches.
func (c *Context) PublishToShard(channel, payload []byte) (receivers int) {
	if to := c.Channels.subscribers[ToShard][string(channel)]; len(to) > 0 {
		receivers = c.sendAll(to, NewMessage(func(w *resp.Writer) {
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
func (c *Context) sendAll(to map[*Client]struct{}, m *Message, channel []byte) int {
	if c.Copies != nil {
		return c.sendInOrder(to, m, channel)
	}
	for l := range to {
		c.Send(l, m)
	}
	return len(to)
}

// sendInOrder is sendAll where it is asked of each client how often it gets the
// message: in the order in which they came, so that an answer by chance is the same
// with the same seed.
func (c *Context) sendInOrder(to map[*Client]struct{}, m *Message, channel []byte) int {
	for _, l := range slices.SortedFunc(maps.Keys(to), func(a, b *Client) int { return cmp.Compare(a.ID, b.ID) }) {
		for range c.Copies(l, channel) {
			c.Send(l, m)
		}
	}
	return len(to)
}

// Send gives a client a message. The caller itself gets it in the order of its
// replies, others through their outbox.
func (c *Context) Send(to *Client, m *Message) {
	switch {
	case to.replies.ended: // it is being closed
	case to == c.Client:
		first := c.Len() == c.call.mark
		c.Message(m.In(to.Protocol))
		if first {
			c.call.mark = c.Len() // it stays, should the reply be an error
		}
	case to.Peer != nil:
		to.Peer.Push(m)
	}
}
