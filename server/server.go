// Package server is an embedded chat server that speaks the Redis protocol.
//
// Start listens on the network. New does not: Dial and DialContext return
// in-memory connections that Redis clients accept, and Do runs a command
// without a connection. A process may run any number of servers; they share no
// state.
package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-chat/parley/commands"
)

// Version is parley's own version. Redis clients see RedisVersion.
const Version = "0.1.0"

// RedisVersion is the version of redis-server whose behaviour parley
// implements, and that it reports to clients.
const RedisVersion = commands.RedisVersion

// closeGrace is how long Close gives clients to read pending replies.
const closeGrace = time.Second

// closeTimeout is how long Close waits before it returns an error.
const closeTimeout = 5 * time.Second

// A Server runs until Close. Its methods may be called from any goroutine.
type Server struct {
	engine      *engine
	options     Options
	tcp         net.Listener  // opened by Start; nil without a network, or with TLS only
	tls         net.Listener  // opened by Start; nil without TLS
	end         func() error  // runs close once
	acceptSlots chan struct{} // one slot per connection being accepted; see maxAccepting

	mu        sync.Mutex // guards conns, listeners, closed, probe; may be locked while an outbox's mu is held
	conns     map[conn]struct{}
	listeners []net.Listener
	closed    bool
	probe     *probe         // in progress; nil: none
	tasks     sync.WaitGroup // goroutines started by spawn
}

// A conn is a connection that Close must end.
type conn interface {
	end()  // closes once pending replies are sent; must not block on the client
	kill() // closes at once
	name() string
	clientSession() *session // nil: not created yet
}

// New returns a server without a network. An idle server has no goroutine.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	if o.Databases < 1 || o.Databases > maxDatabases {
		return nil, fmt.Errorf("server: %d databases: want 1 to %d", o.Databases, maxDatabases)
	}
	if !slices.Contains(commands.DebugAccesses, o.Debug) {
		return nil, fmt.Errorf("server: Debug: %q: want no, local or yes", o.Debug)
	}
	e, err := newEngine(o)
	if err != nil {
		return nil, err
	}
	o.Password = e.state.Config.Password
	s := &Server{engine: e, options: o, conns: make(map[conn]struct{}), acceptSlots: make(chan struct{}, maxAccepting)}
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

func (s *Server) listen() error {
	listeners, err := s.openListeners()
	if err != nil {
		for _, l := range listeners {
			l.Close()
		}
		return fmt.Errorf("server: %w", err)
	}
	s.describe(&s.engine.state.Host)
	for _, l := range listeners {
		s.listeners = append(s.listeners, l)
		s.engine.log.log(eventListening, "addr", l.Addr().String())
		s.spawnFrom(func() { s.accept(l) })
	}
	return nil
}

// openListeners opens the listeners that the options ask for. On error the
// caller closes those in open.
func (s *Server) openListeners() (open []net.Listener, err error) {
	o := &s.options
	config, err := s.tlsConfig()
	if err != nil {
		return nil, err
	}
	if err := s.limitClientsToFiles(); err != nil {
		return nil, err
	}
	if o.Addr != "" {
		if s.tcp, err = net.Listen(network(o.Addr), o.Addr); err != nil {
			return open, err
		}
		open = append(open, s.tcp)
	}
	if config != nil {
		if s.tls, err = listenTLS(o.TLSAddr, config); err != nil {
			return open, err
		}
		open = append(open, s.tls)
	}
	if o.Socket != "" {
		unix, err := listenUnix(o.Socket, o.SocketMode)
		if err != nil {
			return open, err
		}
		open = append(open, unix)
	}
	return open, nil
}

// describe sets the addresses that INFO and CONFIG report.
func (s *Server) describe(h *commands.Host) {
	o := &s.options
	h.Port, h.TLSPort = portOf(s.tcp), portOf(s.tls)
	h.Socket, h.SocketMode = o.Socket, int64(o.SocketMode)
	h.TLS = commands.HostTLS{Cert: o.TLSFiles.Cert, Key: o.TLSFiles.Key, CA: o.TLSFiles.CA, AuthClients: o.TLSFiles.AuthClients}
	if o.TLS != nil {
		h.TLS.AuthClients = authClients(o.TLS)
	}
}

// portOf returns 0 without a listener, as in CONFIG.
func portOf(l net.Listener) int {
	if l == nil {
		return 0
	}
	return l.Addr().(*net.TCPAddr).Port
}

// Serve accepts connections from l, for example a TLS listener, until l is
// closed. Closing the server closes l; Serve then returns ErrClosed.
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
	s.engine.log.log(eventListening, "addr", l.Addr().String())
	s.accept(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	return net.ErrClosed
}

// Addr is the TCP address that Start listens on, for example "127.0.0.1:41234".
// It is "" for a server made by New, or with TLS only.
func (s *Server) Addr() string { return addrText(s.tcp) }

// TLSAddr is the address that Start listens on with TLS; "" if it does not.
func (s *Server) TLSAddr() string { return addrText(s.tls) }

func addrText(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// URL is the server's address as clients parse it: Addr as
// "redis://127.0.0.1:41234", or TLSAddr as "rediss://127.0.0.1:41234" if Addr
// is "". It is "" without a network. It contains Options.Password, if set: do
// not log it.
func (s *Server) URL() string {
	u := url.URL{Scheme: "redis", Host: s.Addr()}
	if u.Host == "" {
		u.Scheme, u.Host = "rediss", s.TLSAddr()
	}
	if u.Host == "" {
		return ""
	}
	if p := s.options.Password; p != "" {
		u.User = url.UserPassword("", p)
	}
	return u.String()
}

// Dial returns an in-memory connection. It is buffered: a client that does not
// read blocks only itself.
func (s *Server) Dial() (net.Conn, error) { return s.dial() }

// DialContext is Dial in the form of a Redis client's dialer, such as Dialer in
// the Options of go-redis. It ignores network and addr.
func (s *Server) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.dial()
}

// Close stops accepting commands, waits for running ones, closes every
// connection and returns. After five seconds it gives up, and the error names
// what is still running. Further calls wait for the first and return the same
// error.
func (s *Server) Close() error { return s.end() }

func (s *Server) close() error {
	s.mu.Lock()
	s.closed = true
	open := slices.Collect(maps.Keys(s.conns))
	listeners := s.listeners
	s.mu.Unlock()
	s.engine.log.log(eventClosing, "connections", len(open))

	var errs []error
	for _, l := range listeners {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) { // the caller of Serve may have closed it already
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, s.wait(func() {
		s.engine.close()
		for _, c := range open {
			s.engine.recoverPanic("(Close)", c.end)
		}
		cut := time.AfterFunc(closeGrace, func() {
			for _, c := range open {
				s.engine.recoverPanic("(Close)", c.kill)
			}
		})
		defer cut.Stop()
		s.tasks.Wait()
		s.engine.log.log(eventClosed)
		s.engine.log.close()
	}))...)
}

// wait runs f, which may block on a running command, for at most closeTimeout.
func (s *Server) wait(f func()) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.engine.recoverPanic("(Close)", f)
	}()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
		return fmt.Errorf("server: Close: still running after %v: %s", closeTimeout, s.openNames())
	}
}

func (s *Server) openNames() string {
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

// spawnFrom is spawn for callers that Close does not wait for. After Close it
// starts nothing and returns false.
func (s *Server) spawnFrom(f func()) (started bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.spawn(f)
	return true
}

// spawnPending is spawnFrom for work that must not block on a client. The
// clock's Advance waits until it has ended.
func (s *Server) spawnPending(f func()) {
	s.engine.pending.begin()
	started := s.spawnFrom(func() {
		defer s.engine.pending.end()
		f()
	})
	if !started {
		s.engine.pending.end()
	}
}

// spawn runs f in a goroutine that Close waits for. The caller must be such a
// goroutine itself, or hold mu of a server that is not closed.
func (s *Server) spawn(f func()) {
	s.tasks.Add(1)
	go func() {
		defer s.tasks.Done()
		s.engine.recoverPanic("(connection)", f)
	}()
}

// open lists the connections, and reports whether the server is closed.
func (s *Server) open() (list []conn, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.conns)), s.closed
}

// track registers a connection for Close to end; false: the server is closed.
func (s *Server) track(c conn) bool { return s.trackWithin(c, math.MaxInt) }

// trackWithin is track if fewer than most connections are registered.
func (s *Server) trackWithin(c conn, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= most {
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
