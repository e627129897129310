package transcript

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands/resp"
)

// A Target is a server to play against. It must be empty and without other
// clients.
type Target struct {
	Dial    func() (net.Conn, error)
	Advance func(time.Duration)

	// Version of Redis of the server; empty: the latest.
	Version string
}

// patience is the timeout of a reply.
const patience = time.Minute

// Play makes the calls of the file in RESP 2 or 3, and fails the test for each
// error of Differences.
func (f *File) Play(t testing.TB, target Target, protocol int) {
	t.Helper()
	for _, err := range f.Differences(target, protocol) {
		t.Errorf("%v", err)
	}
}

// Differences makes the calls of the file in RESP 2 or 3, and returns an error
// for each reply that differs. At the end it checks that no connection has
// received more than the file says.
func (f *File) Differences(target Target, protocol int) (found []error) {
	c := newConversation(target, protocol)
	defer c.close()
	for _, s := range f.steps {
		if c.skips(s) {
			continue
		}
		if err := f.play(c, s); err != nil {
			found = append(found, fmt.Errorf("%s:%d: %s\n%w", f.Name, s.line, s, err))
			if errors.As(err, new(outOfStep)) {
				return found
			}
		}
	}
	if err := c.checkQuiet(); err != nil {
		found = append(found, fmt.Errorf("%s: at the end: %w", f.Name, err))
	}
	return found
}

// outOfStep is an error after which all further replies are wrong.
type outOfStep struct{ error }

func (f *File) play(c *conversation, s step) error {
	switch s.kind {
	case note, since:
		return nil
	case advance:
		c.target.Advance(s.pause)
		return nil
	}
	if !s.recorded {
		return outOfStep{errors.New("there is no reply in the file: record it first")}
	}
	conn, err := c.open(s.conn)
	if err != nil {
		return outOfStep{err}
	}
	if s.kind == call {
		words, err := c.withIDs(s.words)
		if err != nil {
			return outOfStep{err}
		}
		conn.send(words)
	}
	want := s.replies[protocolIndex(c.protocol)]
	if want == noReply {
		conn.silent = conn.silent || s.kind == call
		return nil
	}
	a, err := conn.read(patience)
	if err != nil {
		return outOfStep{fmt.Errorf("want in RESP%d:\n%s\ngot: %w", c.protocol, want, err)}
	}
	if got := c.name(a, s.order).render(s.order); got != want {
		return fmt.Errorf("want in RESP%d:\n%s\ngot:\n%s", c.protocol, want, got)
	}
	return nil
}

func protocolIndex(protocol int) int { return protocol - 2 }

// An answer is what a connection received: a value, its end, or nothing.
type answer struct {
	value  resp.Value
	none   bool // nothing was received
	closed bool
}

func (a answer) render(o order) string {
	switch {
	case a.none:
		return noReply
	case a.closed:
		return closed
	}
	return render(a.value, o)
}

// A conversation is one run through a file.
type conversation struct {
	target   Target
	protocol int
	conns    map[string]*conn
	ids      map[int64]string // words that stand for connections, by ID
	since    string           // the version of Redis that the next steps need
}

func newConversation(target Target, protocol int) *conversation {
	return &conversation{target: target, protocol: protocol, conns: make(map[string]*conn), ids: make(map[int64]string)}
}

// skips reports whether the server is too old for a step. It must be called
// with all steps, in order.
func (c *conversation) skips(s step) bool {
	if s.kind == since {
		c.since = s.since
	}
	return Older(c.target.Version, c.since)
}

func (c *conversation) close() {
	for _, conn := range c.conns {
		conn.Close()
	}
}

// open returns the connection with that name, and opens it if necessary.
func (c *conversation) open(name string) (*conn, error) {
	if conn := c.conns[name]; conn != nil {
		return conn, nil
	}
	conn, err := dial(c.target)
	if err != nil {
		return nil, err
	}
	c.conns[name] = conn
	if c.protocol == 2 {
		return conn, nil
	}
	// A server with a password rejects HELLO. The connection then stays in
	// RESP2, wherever the file is played.
	conn.send([]string{"HELLO", "3"})
	_, err = conn.read(patience)
	return conn, err
}

// checkQuiet checks that no connection has unread data: the next that each
// receives is the reply to a PING.
func (c *conversation) checkQuiet() error {
	const token = "end of transcript"
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.conns)) {
		conn := c.conns[name]
		if conn.closed || conn.silent {
			continue // nothing can arrive on the first, and PING gets no reply on the second
		}
		conn.send([]string{"PING", token})
		a, err := conn.read(patience)
		v := a.value
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("connection %q: PING: %w", name, err))
		case v.Str == token, v.Str == "QUEUED", strings.HasPrefix(v.Str, "NOAUTH "):
		case len(v.Elems) == 2 && v.Elems[1].Str == token: // in RESP2, to a subscriber
		default:
			errs = append(errs, fmt.Errorf("connection %q has been sent more than the file says:\n%s", name, a.render(asSent)))
		}
	}
	return errors.Join(errs...)
}

// A conn is one connection.
type conn struct {
	net.Conn
	buffer  *bufio.Reader
	replies *resp.Reader // over buffer
	closed  bool         // by the server, and read
	silent  bool         // a call got no reply
}

func dial(target Target) (*conn, error) {
	c, err := target.Dial()
	if err != nil {
		return nil, err
	}
	// A Reader uses a bufio.Reader as it is, so its buffer can be inspected.
	b := bufio.NewReader(c)
	return &conn{Conn: c, buffer: b, replies: resp.NewReader(b)}, nil
}

// send sends a call. A closed connection is noticed by read.
func (c *conn) send(words []string) {
	var w wire.Writer
	w.Array(len(words))
	for _, word := range words {
		w.BulkString(word)
	}
	c.SetWriteDeadline(time.Now().Add(patience))
	c.Write(w.Bytes())
}

// read returns the next answer.
func (c *conn) read(wait time.Duration) (answer, error) {
	c.SetReadDeadline(time.Now().Add(wait))
	v, err := c.replies.Read()
	switch {
	case err == nil:
		c.silent = false
		return answer{value: v}, nil
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		c.closed = true
		return answer{closed: true}, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return answer{none: true}, fmt.Errorf("nothing within %v", wait)
	}
	return answer{}, err
}
