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

// ErrRecorderFull is what a recorder's Next and Err return that has missed
// messages because nobody took out what it holds.
var ErrRecorderFull = errors.New("servertest: recorder full")

// maxRecorded is how many bytes of messages a recorder holds: channels, payloads
// and messageBytes for each.
const (
	maxRecorded  = 64 << 20
	messageBytes = 128
)

// A Message is one that was published.
type Message struct {
	Channel   string
	Pattern   string // which the channel matches: the first of a PatternRecorder's; else ""
	Payload   string
	Sharded   bool      // with SPUBLISH
	Receivers int       // how often it was sent: what PUBLISH replied
	At        time.Time // by the server's clock
}

// String is the message as "channel: payload".
func (m Message) String() string { return m.Channel + ": " + m.Payload }

// A Recorder holds what is published, in the order in which it is, over all
// channels. It is no subscriber: PUBLISH does not count it, PUBSUB does not list
// it, nobody waits for it. So it holds messages that nobody has received, too.
//
// Of keyspace events (channel "__keyevent@0__:expired") it holds those that the
// server publishes, as notify-keyspace-events says: it switches none on.
//
// It holds up to 64 MiB of messages that were not taken out by Next or Clear; past
// that it misses them, and says so: see Err. Its methods may be called from any
// goroutine.
type Recorder struct {
	kit      *Kit
	channels []string
	patterns []string
	all      bool

	mu     sync.Mutex // guards all below; taken under the server's lock
	list   []Message
	size   int
	full   bool
	closed bool
	more   chan struct{} // closed when there is more; nil: nobody waits
}

// Recorder records what is published to some channels from now on, with PUBLISH,
// SPUBLISH or as keyspace events; without a channel, to all. It ends with the
// server, or with its Close.
func (r *Kit) Recorder(channels ...string) *Recorder {
	return r.record(&Recorder{kit: r, channels: slices.Clone(channels), all: len(channels) == 0})
}

// PatternRecorder records what is published to channels that match one of the
// patterns, which are those of PSUBSCRIBE. What matches several is recorded once.
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

// published is told of each message.
func (r *Kit) published(p commands.Publication) {
	for _, c := range r.recorders {
		if pattern, ok := c.wants(p.Channel); ok {
			c.add(Message{string(p.Channel), pattern, string(p.Payload), p.Sharded, p.Receivers, time.UnixMicro(p.Micros)})
		}
	}
}

// wants reports whether a channel is one of the recorder's, and by which pattern.
func (c *Recorder) wants(channel []byte) (pattern string, ok bool) {
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
	if c.more != nil {
		close(c.more)
		c.more = nil
	}
}

// Next takes out the oldest message, and waits for one if there is none. When ctx
// is done before, the error says so; behind the last message of a recorder that
// has ended comes server.ErrClosed, of one that has missed some ErrRecorderFull.
func (c *Recorder) Next(ctx context.Context) (Message, error) {
	for {
		m, more, err := c.take()
		if more == nil {
			return m, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Message{}, fmt.Errorf("servertest: no message to %s: %w", c.what(), ctx.Err())
		}
	}
}

// take takes out the oldest message. If there will be one, more is closed then.
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
	if c.more == nil {
		c.more = make(chan struct{})
	}
	return m, c.more, nil
}

// what names what is recorded.
func (c *Recorder) what() string {
	switch {
	case c.all:
		return "any channel"
	case len(c.patterns) > 0:
		return fmt.Sprintf("a channel that matches %q", c.patterns)
	}
	return fmt.Sprintf("%q", c.channels)
}

// All lists the messages that have not been taken out, and leaves them.
func (c *Recorder) All() []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// Payloads is All, of payloads only.
func (c *Recorder) Payloads() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]string, len(c.list))
	for i, m := range c.list {
		list[i] = m.Payload
	}
	return list
}

// Len counts the messages that have not been taken out.
func (c *Recorder) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.list)
}

// Clear takes out all messages. A recorder that has missed some records again.
func (c *Recorder) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list, c.size, c.full = nil, 0, false
}

// Err is ErrRecorderFull if the recorder has missed messages, or nil.
func (c *Recorder) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full {
		return ErrRecorderFull
	}
	return nil
}

// Close ends the recording. What is there can still be read.
func (c *Recorder) Close() {
	c.kit.control.Inspect(func(*commands.State) {
		c.kit.recorders = slices.DeleteFunc(c.kit.recorders, func(o *Recorder) bool { return o == c })
	})
	c.end()
}

// end lets nobody wait for more.
func (c *Recorder) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.wake()
}
