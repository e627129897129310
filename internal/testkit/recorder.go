package testkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/server"
)

// ErrRecorderFull is the error of a recorder that has missed messages, because
// it was full.
var ErrRecorderFull = errors.New("servertest: recorder full")

// maxRecorded is the maximum size of a recorder's messages in bytes: channels,
// payloads and messageBytes for each.
const (
	maxRecorded  = 64 << 20
	messageBytes = 128
)

// A Message is a published message.
type Message struct {
	Channel   string
	Pattern   string // the first of a PatternRecorder's patterns that matches the channel; "" for a Recorder
	Payload   string
	Sharded   bool      // with SPUBLISH
	Receivers int       // what PUBLISH replied
	At        time.Time // on the server's clock
}

// String formats the message as "channel: payload".
func (m Message) String() string { return m.Channel + ": " + m.Payload }

// A Recorder collects published messages of all its channels, in the order in
// which they were published. It is not a subscriber: PUBLISH does not count it,
// PUBSUB does not list it, and it slows nothing down. So it also records
// messages without a receiver.
//
// Of keyspace events (channel "__keyevent@0__:expired") it records those that
// notify-keyspace-events selects: it does not turn any on.
//
// It holds up to 64 MiB of messages that Next or Clear have not removed. Beyond
// that it misses messages: see Err. Its methods may be called from any
// goroutine.
type Recorder struct {
	kit      *Kit
	channels []string
	patterns []string
	all      bool

	mu      sync.Mutex // guards all below; locked while the server's lock is held
	list    []Message
	size    int
	full    bool
	closed  bool
	arrived chan struct{} // closed when a message arrives; nil: nobody waits
}

// Recorder records messages published to some channels from now on, with
// PUBLISH, SPUBLISH or as keyspace events; without arguments, to all channels.
// It ends when it or the server is closed.
func (r *Kit) Recorder(channels ...string) *Recorder {
	return r.record(&Recorder{kit: r, channels: slices.Clone(channels), all: len(channels) == 0})
}

// PatternRecorder records messages published to channels that match one of the
// patterns, which are those of PSUBSCRIBE. A message that matches several is
// recorded once.
func (r *Kit) PatternRecorder(patterns ...string) *Recorder {
	return r.record(&Recorder{kit: r, patterns: slices.Clone(patterns)})
}

func (r *Kit) record(c *Recorder) *Recorder {
	r.control.Inspect(func(*commands.State) {
		if c.closed = r.waits.closed; !c.closed {
			r.recorders = append(r.recorders, c)
		}
	})
	return c
}

// onPublished is the hook Published.
func (r *Kit) onPublished(p commands.Publication) {
	for _, c := range r.recorders {
		if pattern, ok := c.matches(p.Channel); ok {
			c.add(Message{string(p.Channel), pattern, string(p.Payload), p.Sharded, p.Receivers, time.UnixMicro(p.Micros)})
		}
	}
}

// matches reports whether a channel is recorded, and by which pattern.
func (c *Recorder) matches(channel []byte) (pattern string, ok bool) {
	for _, p := range c.patterns {
		if datastructs.Match([]byte(p), channel, false) {
			return p, true
		}
	}
	return "", c.all || slices.Contains(c.channels, string(channel))
}

func (c *Recorder) add(m Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := m.size()
	if c.full = c.full || c.size+size > maxRecorded; c.full {
		return
	}
	c.list = append(c.list, m)
	c.size += size
	c.wake()
}

func (m *Message) size() int { return len(m.Channel) + len(m.Payload) + messageBytes }

func (c *Recorder) wake() {
	if c.arrived != nil {
		close(c.arrived)
		c.arrived = nil
	}
}

// Next removes and returns the oldest message, and waits for one if there is
// none. When ctx is done, it returns an error with ctx.Err(). After the last
// message it returns server.ErrClosed if the recorder has ended, or
// ErrRecorderFull if it has missed messages.
func (c *Recorder) Next(ctx context.Context) (Message, error) {
	for {
		m, more, err := c.take()
		if more == nil {
			return m, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Message{}, fmt.Errorf("servertest: no message to %s: %w", c.channelsText(), ctx.Err())
		}
	}
}

// take removes the oldest message. If there is none yet, more is closed when
// one arrives.
func (c *Recorder) take() (m Message, more <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.list) > 0:
		m, c.list[0] = c.list[0], Message{}
		c.list = c.list[1:]
		c.size -= m.size()
		return m, nil, nil
	case c.full:
		return m, nil, ErrRecorderFull
	case c.closed:
		return m, nil, server.ErrClosed
	}
	if c.arrived == nil {
		c.arrived = make(chan struct{})
	}
	return m, c.arrived, nil
}

// channelsText describes what is recorded.
func (c *Recorder) channelsText() string {
	switch {
	case c.all:
		return "any channel"
	case len(c.patterns) > 0:
		return fmt.Sprintf("a channel that matches %q", c.patterns)
	}
	return fmt.Sprintf("%q", c.channels)
}

// All returns the messages that have not been removed, and keeps them.
func (c *Recorder) All() []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// Payloads is All, with payloads only.
func (c *Recorder) Payloads() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]string, len(c.list))
	for i, m := range c.list {
		list[i] = m.Payload
	}
	return list
}

// Len is the number of messages that have not been removed.
func (c *Recorder) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.list)
}

// Clear removes all messages. A full recorder records again.
func (c *Recorder) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list, c.size, c.full = nil, 0, false
}

// Err returns ErrRecorderFull if the recorder has missed messages, or nil.
func (c *Recorder) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full {
		return ErrRecorderFull
	}
	return nil
}

// Close ends the recording. Recorded messages can still be read.
func (c *Recorder) Close() {
	c.kit.control.Inspect(func(*commands.State) {
		c.kit.recorders = slices.DeleteFunc(c.kit.recorders, func(o *Recorder) bool { return o == c })
	})
	c.end()
}

// end marks the recorder closed and wakes a waiting Next.
func (c *Recorder) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.wake()
}
