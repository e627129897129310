package commands

import (
	"container/list"

	"github.com/parley-chat/parley/internal/wire"
)

// A Client is what commands know of one caller: a connection, or code in the
// same process. The engine's lock guards it. Beyond that a client's own calls,
// of which one runs at a time, may read all of it, write Active and Last while
// they share the lock, and read Multi and IsTracking without it:
// nobody else changes those.
type Client struct {
	ID        int64
	Addr      string // of the other side; "" for a caller in the process
	LocalAddr string
	Peer      Peer

	Name         string
	LibName      string
	LibVersion   string
	DB           int
	Protocol     int   // 2 or 3
	User         *User // nil: the process itself
	Authed       bool  // may run commands without AUTH
	Created      int64 // Unix ms
	Active       int64 // Unix ms of the last command
	Last         *Command
	Multi        *Multi // nil outside MULTI
	Failures     int    // wrong passwords since the last right one
	Blocked      bool   // waiting for a key
	AsyncPending bool   // waiting for an async call; Blocked is false then
	NoEvict      bool   // CLIENT NO-EVICT is on

	// Waiting is the call of this client that waits, for whatever; nil: none does.
	// WaitingBytes is what it takes in memory, which is in State.ClientBytes.
	Waiting      [][]byte
	WaitingBytes int

	NoTouch bool // its calls do not count as uses of keys, except TOUCH
	NoStats bool // its reads are neither hits nor misses

	// Direct is a caller without a connection (Server.Do): no message can
	// reach it, so it cannot subscribe.
	Direct bool

	subscriptions [subscriptionKinds]*registrations
	watching      *registrations
	namesSize     int             // bytes in the prefixes that it tracks
	counted       int64           // of what bytes tells, in State.ClientBytes
	countedNames  int64           // of what nameBytes tells, in State.named
	closing       int64           // of what its connection holds, in State.closing
	dirty         bool            // a watched key was changed: EXEC answers null
	place         *list.Element   // among the clients; nil: it is not connected
	monitor       *list.Element   // its place among those who are shown all calls; nil: it is not
	tracking      *clientTracking // nil: never asked for
	replies       replies
}

// A Peer is what a connection offers to commands. All methods may be called under the
// engine's lock: none of them blocks or calls back.
type Peer interface {
	// Push queues a message behind all that was queued before.
	Push(*Message)

	// Finish is for the caller's own connection: nothing that it sends after the
	// current command runs, and it is closed once the replies so far are sent.
	Finish()

	// Kill closes the connection as soon as possible, unsent replies or not.
	Kill()

	// Usage tells what the connection holds in memory.
	Usage() Usage

	// InFlight tells what the connection has not come to the end of.
	InFlight() InFlight
}

// Usage is the memory of a connection, in the terms of CLIENT LIST; bytes if
// not said otherwise.
type Usage struct {
	Query        int // received, not yet run
	QueryFree    int // room behind it
	Output       int // replies and pushes not yet sent
	OutputPieces int // number of pieces Output is in
	Total        int // all of that, in the blocks that hold it, and what a connection takes in any case
}

// peer is the client's connection; one that does nothing for a caller without.
func (l *Client) peer() Peer {
	if l.Peer == nil {
		return nobody{}
	}
	return l.Peer
}

type nobody struct{}

func (nobody) Push(*Message) {}
func (nobody) Finish()       {}
func (nobody) Kill()         {}
func (nobody) Usage() Usage  { return Usage{} }

func (nobody) InFlight() InFlight { return InFlight{} }

// Subscribed is the number of subscriptions that keep a RESP2 client from
// other commands.
func (l *Client) Subscribed() int {
	n := 0
	for _, s := range l.subscriptions {
		n += s.len()
	}
	return n
}

// subscriptionCount counts the client's subscriptions of one kind.
func (l *Client) subscriptionCount(kind SubscriptionKind) int { return l.subscriptions[kind].len() }

// A Message is a push in both encodings, each made when the first receiver
// needs it and shared by all. It is made and handed out under the engine's lock.
type Message struct {
	compose func(*wire.Writer)
	encoded [2][]byte
}

// newMessage returns a message that compose writes.
func newMessage(compose func(*wire.Writer)) *Message { return &Message{compose: compose} }

// In returns the message in RESP 2 or 3. The result is shared: read only.
func (m *Message) In(protocol int) []byte {
	i := 0
	if protocol >= 3 {
		i = 1
	}
	if m.encoded[i] == nil {
		var w wire.Writer
		w.SetProtocol(protocol)
		m.compose(&w)
		m.encoded[i] = w.Bytes()
	}
	return m.encoded[i]
}

// Clients are the connected clients of a server. The zero value is ready.
type Clients struct {
	byID map[int64]*Client
	list list.List // of *Client, in the order in which they connected
}

// Add enters a client that has connected.
func (s *Clients) Add(l *Client) {
	if s.byID == nil {
		s.byID = make(map[int64]*Client)
	}
	s.byID[l.ID] = l
	l.place = s.list.PushBack(l)
}

// Remove removes a client that has disconnected.
func (s *Clients) Remove(l *Client) {
	if l.place != nil {
		delete(s.byID, l.ID)
		s.list.Remove(l.place)
		l.place = nil
	}
}

// Get returns the client of that id, or nil.
func (s *Clients) Get(id int64) *Client { return s.byID[id] }

// Len counts the connected clients.
func (s *Clients) Len() int { return len(s.byID) }

// All lists the clients in the order in which they connected.
func (s *Clients) All() []*Client {
	list := make([]*Client, 0, s.list.Len())
	for at := s.list.Front(); at != nil; at = at.Next() {
		list = append(list, at.Value.(*Client))
	}
	return list
}

// muteIfKilled sees to it that a caller who has closed its own connection is sent
// nothing after the reply so far, within EXEC too.
func (c *Context) muteIfKilled() {
	if c.Clients.Get(c.Client.ID) != c.Client {
		c.Client.replies.ended = true
		c.Mute(true)
	}
}

// kill closes a connection. It is gone at once for all who look or publish; the
// caller's own is still sent this reply.
func kill(c *Context, l *Client) {
	c.Clients.Remove(l)
	c.Channels.UnsubscribeAll(l)
	c.Monitors.Remove(l)
	c.Tracking.Leave(l)
	if l == c.Client {
		l.peer().Finish()
	} else {
		l.peer().Kill()
	}
}
