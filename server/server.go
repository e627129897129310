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
	"math"
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

// closeGrace is how long Close lets clients read what they have been answered.
const closeGrace = time.Second

// closeTimeout is how long Close waits before it says what hangs.
const closeTimeout = 5 * time.Second

// A Server runs until Close. Its methods may be called from any goroutine.
type Server struct {
	engine      *engine
	options     Options
	tcp         net.Listener  // of Start; nil without a network, or with TLS only
	tls         net.Listener  // likewise; nil without TLS
	end         func() error  // Close, once
	acceptSlots chan struct{} // see mostAtDoor

	mu        sync.Mutex // guards conns, listeners, closed, probe; may be taken under an outbox's mu
	conns     map[conn]struct{}
	listeners []net.Listener
	closed    bool
	probe     *probe         // under way; nil: none
	tasks     sync.WaitGroup // goroutines; see spawn
}

// A conn is what Close must end.
type conn interface {
	end()  // closes once the client has what it was answered; must not wait for it
	kill() // closes at once
	name() string
	clientSession() *session // nil: there is none yet
}

// New returns a server without a network. It holds no goroutine while nothing
// happens.
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

// openListeners opens what the options ask for. After an error the caller closes
// what is open by then.
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

// describe tells INFO and CONFIG where the server listens.
func (s *Server) describe(h *commands.Host) {
	o := &s.options
	h.Port, h.TLSPort = portOf(s.tcp), portOf(s.tls)
	h.Socket, h.SocketMode = o.Socket, int64(o.SocketMode)
	h.TLS = commands.HostTLS{Cert: o.TLSFiles.Cert, Key: o.TLSFiles.Key, CA: o.TLSFiles.CA, AuthClients: o.TLSFiles.AuthClients}
	if o.TLS != nil {
		h.TLS.AuthClients = authClients(o.TLS)
	}
}

// portOf is 0 without a listener, as in CONFIG.
func portOf(l net.Listener) int {
	if l == nil {
		return 0
	}
	return l.Addr().(*net.TCPAddr).Port
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
	s.engine.log.log(eventListening, "addr", l.Addr().String())
	s.accept(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	return net.ErrClosed
}

// Addr is the TCP address that Start listens on, "127.0.0.1:41234"; "" for a
// server that New has made, or that listens with TLS only.
func (s *Server) Addr() string { return addrText(s.tcp) }

// TLSAddr is the address that Start listens on with TLS; "" if it does not.
func (s *Server) TLSAddr() string { return addrText(s.tls) }

func addrText(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// URL is Addr in the form that clients parse, "redis://127.0.0.1:41234", or
// TLSAddr, "rediss://127.0.0.1:41234", if there is no other; "" without a network.
// It contains Options.Password if there is one: it is for clients, and not for logs.
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

// Close lets commands that run come to their end and no other begin, ends all
// connections, and returns when everything of the server has
// come to its end. Should something not within five seconds, the error says
// what. Further calls wait for the first and return the same.
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
		if err := l.Close(); !errors.Is(err, net.ErrClosed) { // the owner of Serve's may have been first
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

// wait waits for f, which may have to wait for a command that is under way.
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
		return fmt.Errorf("server: Close: still not ended after %v: %s", closeTimeout, s.openNames())
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

// spawnFrom is spawn for those whom Close does not wait for already; after
// Close it does nothing, and reports that.
func (s *Server) spawnFrom(f func()) (started bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.spawn(f)
	return true
}

// spawnPending is spawnFrom for what must not wait for a client.
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

// spawn runs f in a goroutine that Close waits for. The caller must be one of
// those itself, or hold mu of a server that is not closed.
func (s *Server) spawn(f func()) {
	s.tasks.Add(1)
	go func() {
		defer s.tasks.Done()
		s.engine.recoverPanic("(connection)", f)
	}()
}

// open lists the connections, and tells whether the server is closed.
func (s *Server) open() (list []conn, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.conns)), s.closed
}

// track enters a connection for Close to end; false: the server is closed.
func (s *Server) track(c conn) bool { return s.trackWithin(c, math.MaxInt) }

// trackUpTo is track where there are fewer than that many.
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
