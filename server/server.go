// Package server is an embedded chat server that speaks the Redis protocol.
//
// Start listens on the network; New does without: Dial and DialContext give
// connections in memory that Redis clients take, and Do runs a command with no
// connection at all. Any number of servers live in one process; they share
// nothing.
package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-chat/parley/commands"
)

// Version is parley's own. Redis clients are told the version of Redis whose
// behaviour is kept.
const Version = "0.1.0"

// RedisVersion is the version of redis-server whose behaviour is kept, and which
// clients are told.
const RedisVersion = commands.RedisVersion

// closePatience is how long Close waits before it says what hangs.
const closePatience = 5 * time.Second

// A Server runs until Close. Its methods may be called from any goroutine.
type Server struct {
	engine  *engine
	options Options
	tcp     net.Listener // of Start; nil without a network
	end     func() error // Close, once

	mu        sync.Mutex // guards conns, listeners, closed, probe; may be taken under an outbox's mu
	conns     map[conn]struct{}
	listeners []net.Listener
	closed    bool
	probe     *probe         // under way; nil: none
	tasks     sync.WaitGroup // goroutines; see spawn
}

// A conn is what Close must end.
type conn interface {
	kill() // must not wait for a client
	name() string
	of() *session
}

// New returns a server without a network. It holds no goroutine while nothing
// happens.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	if o.Databases < 1 || o.Databases > maxDatabases {
		return nil, fmt.Errorf("server: %d databases: want 1 to %d", o.Databases, maxDatabases)
	}
	e, err := newEngine(o)
	if err != nil {
		return nil, err
	}
	o.Password = e.state.Config.Password
	s := &Server{engine: e, options: o, conns: make(map[conn]struct{})}
	s.end = sync.OnceValue(s.close)
	return s, nil
}

// Start returns a server that accepts connections.
func Start(o Options) (*Server, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) listen() (err error) {
	if s.tcp, err = net.Listen(network(s.options.Addr), s.options.Addr); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	listeners := []net.Listener{s.tcp}
	if s.options.Socket != "" {
		unix, err := listenUnix(s.options.Socket, s.options.SocketMode)
		if err != nil {
			s.tcp.Close()
			return fmt.Errorf("server: %w", err)
		}
		listeners = append(listeners, unix)
	}
	s.engine.state.Host.Port = s.tcp.Addr().(*net.TCPAddr).Port
	s.engine.state.Host.Socket = s.options.Socket
	s.engine.state.Host.SocketMode = int64(s.options.SocketMode)
	for _, l := range listeners {
		s.listeners = append(s.listeners, l)
		s.engine.log.tell(listening, "addr", l.Addr().String())
		s.spawnFrom(func() { s.accept(l) })
	}
	return nil
}

// Serve accepts connections from a listener of the caller's, such as one with
// TLS, until that is closed. Closing the server closes it, and then the error
// is ErrClosed.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		l.Close()
		return ErrClosed
	}
	s.listeners = append(s.listeners, l)
	s.tasks.Add(1)
	s.mu.Unlock()
	defer s.tasks.Done()
	s.engine.log.tell(listening, "addr", l.Addr().String())
	s.accept(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	return net.ErrClosed
}

// Addr is the TCP address that Start listens on, "127.0.0.1:41234"; "" for a
// server that New has made.
func (s *Server) Addr() string {
	if s.tcp == nil {
		return ""
	}
	return s.tcp.Addr().String()
}

// URL is Addr in the form that clients parse, "redis://127.0.0.1:41234", with
// the password if there is one; "" without a network.
func (s *Server) URL() string {
	addr := s.Addr()
	if addr == "" {
		return ""
	}
	u := url.URL{Scheme: "redis", Host: addr}
	if p := s.options.Password; p != "" {
		u.User = url.UserPassword("", p)
	}
	return u.String()
}

// Dial returns a connection in memory. It is buffered: a client that does not
// read holds up nobody but itself.
func (s *Server) Dial() (net.Conn, error) { return s.dial() }

// DialContext is Dial in the form that Redis clients take as a dialer, such as
// Dialer in the Options of go-redis. It looks at neither network nor addr.
func (s *Server) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.dial()
}

// Close ends all connections and returns when everything of the server has
// come to its end. Should something not within five seconds, the error says
// what. Further calls wait for the first and return the same.
func (s *Server) Close() error { return s.end() }

func (s *Server) close() error {
	s.mu.Lock()
	s.closed = true
	open := slices.Collect(maps.Keys(s.conns))
	listeners := s.listeners
	s.mu.Unlock()
	s.engine.log.tell(closing, "connections", len(open))

	var errs []error
	for _, l := range listeners {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) { // the owner of Serve's may have been first
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, s.wait(func() {
		for _, c := range open {
			c.kill()
		}
		s.engine.close()
		s.tasks.Wait()
		s.engine.log.tell(closed)
		s.engine.log.close()
	}))...)
}

// wait waits for f, which may have to wait for a command that is under way.
func (s *Server) wait(f func()) error {
	ended := make(chan struct{})
	go func() {
		f()
		close(ended)
	}()
	timer := time.NewTimer(closePatience)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
		return fmt.Errorf("server: Close: still not ended after %v: %s", closePatience, s.hanging())
	}
}

func (s *Server) hanging() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == 0 {
		return "a command of Do"
	}
	var names []string
	for c := range s.conns {
		names = append(names, c.name())
	}
	slices.Sort(names)
	return strings.Join(names, ", ") + " (a command of one may still run)"
}

// spawnFrom is spawn for those whom Close does not wait for already; after
// Close it does nothing.
func (s *Server) spawnFrom(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.spawn(f)
	}
}

// spawn runs f in a goroutine that Close waits for. The caller must be one of
// those itself, or hold mu of a server that is not closed.
func (s *Server) spawn(f func()) {
	s.tasks.Add(1)
	go func() {
		defer s.tasks.Done()
		f()
	}()
}

// open lists the connections, and tells whether the server is closed.
func (s *Server) open() (list []conn, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.conns)), s.closed
}

// track enters a connection for Close to end; false: the server is closed.
func (s *Server) track(c conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) untrack(c conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}
