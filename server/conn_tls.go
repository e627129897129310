package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// TLSFiles are paths of PEM files, as in redis-server's options tls-cert-file, tls-key-file
// and tls-ca-cert-file. A file that changes is read again for later connections. If it
// cannot be read then, its last valid contents stay in use.
type TLSFiles struct {
	Cert, Key string // the server's certificate chain, and its key
	CA        string // certificates of authorities that sign client certificates

	// AuthClients says whether clients must have certificates: "yes", "no", or
	// "optional", which verifies only those that are sent. Default: "yes".
	AuthClients string
}

// clientAuth maps values of tls-auth-clients to crypto/tls.
var clientAuth = map[string]tls.ClientAuthType{
	"yes":      tls.RequireAndVerifyClientCert,
	"no":       tls.NoClientCert,
	"optional": tls.VerifyClientCertIfGiven,
}

const defaultAuthClients = "yes"

func (f TLSFiles) withDefaults() TLSFiles {
	if f.AuthClients == "" {
		f.AuthClients = defaultAuthClients
	}
	return f
}

// tlsConfig returns the TLS configuration of the options; nil: no TLS.
func (s *Server) tlsConfig() (*tls.Config, error) {
	o := &s.options
	files := o.TLSFiles != TLSFiles{AuthClients: o.TLSFiles.AuthClients}
	switch {
	case o.TLSAddr == "" && (o.TLS != nil || files):
		return nil, errors.New("TLS without TLSAddr: nothing would listen with it")
	case o.TLSAddr == "":
		return nil, nil
	case o.TLS != nil && files:
		return nil, errors.New("both TLS and TLSFiles: want one")
	case o.TLS != nil:
		config := o.TLS.Clone()
		config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
		return config, nil
	}
	return s.tlsConfigFromFiles(o.TLSFiles)
}

// authClients returns the value of CONFIG GET tls-auth-clients for a configuration.
func authClients(config *tls.Config) string {
	switch config.ClientAuth {
	case tls.NoClientCert:
		return "no"
	case tls.RequireAnyClientCert, tls.RequireAndVerifyClientCert:
		return "yes"
	}
	return "optional"
}

// listenTLS listens for TLS connections. Each handshake runs in the goroutine of its
// connection, so it does not delay others.
func listenTLS(addr string, config *tls.Config) (net.Listener, error) {
	l, err := net.Listen(network(addr), addr)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(listener{l}, config), nil
}

// tlsHandshake runs the handshake of a TLS connection, which auth-timeout limits. Until done
// is called the connection counts towards maxclients, though it is no client yet. ok is
// false if the handshake failed.
func (s *Server) tlsHandshake(conn net.Conn) (done func(), ok bool) {
	tlsConn, ok := conn.(*tls.Conn)
	if !ok {
		return func() {}, true
	}
	h := &handshake{Conn: tlsConn, engine: s.engine, socket: rawConnOf(baseConn(tlsConn))}
	h.timer.init(&s.engine.timeoutQueue, h)
	h.grace.maxProgress = graceReads
	now := s.engine.settings.Load()
	if !s.trackWithin(h, now.maxClients) {
		s.engine.state.Stats.Rejected.Add(1) // no reply can be sent before the handshake
		return nil, false
	}
	done = func() { s.untrack(h) }
	if seconds := now.timeouts.Auth; seconds > 0 {
		h.deadline = after(s.engine.clock.Now(), seconds)
		h.timer.callBy(h.deadline)
		defer h.timer.remove()
	}
	if err := s.runHandshake(tlsConn); err != nil {
		s.engine.log.log(eventTLSHandshakeFailed, "addr", quoted(conn.RemoteAddr().String()), "error", quoted(err.Error()))
		done()
		return nil, false
	}
	return done, true
}

// A handshake is a TLS connection that is not a client yet.
type handshake struct {
	*tls.Conn
	engine   *engine
	socket   syscall.RawConn // nil: its readiness is unknown
	deadline time.Time       // of auth-timeout
	timer    queuedTimer
	grace    gracePeriod
}

// checkTimeouts ends a handshake that is late.
func (h *handshake) checkTimeouts(now time.Time) (next time.Time, soon bool) {
	if h.deadline.After(now) {
		return h.deadline, false
	}
	if reads, busy := h.progress(); h.grace.expired(graceSent, reads, busy) {
		h.kill()
		return time.Time{}, false
	}
	return time.Time{}, true
}

// progress returns the number of reads, 0 if it is not known, and whether the server has
// something left to do for the client.
func (h *handshake) progress() (reads int64, busy bool) {
	now := socketReadiness(h.socket)
	c, ok := h.NetConn().(*watchedConn)
	if !ok {
		return 0, now.input
	}
	reads = c.reads.Load()
	return reads, !c.reading.Load() && (!c.writing.Load() || now.output) || now.input
}

func (h *handshake) end()  { h.kill() }
func (h *handshake) kill() { baseConn(h.Conn).Close() }

func (h *handshake) clientSession() *session { return nil }

func (h *handshake) name() string { return fmt.Sprintf("handshake with %v", h.RemoteAddr()) }

// A listener wraps its connections into watchedConns.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watchedConn{Conn: conn}, nil
}

// A watchedConn is the connection below a tls.Conn. It records reads and writes, since
// tls.Conn does not show whether a handshake waits for the network.
type watchedConn struct {
	net.Conn
	reading, writing atomic.Bool
	reads            atomic.Int64
}

func (c *watchedConn) NetConn() net.Conn { return c.Conn }

func (c *watchedConn) Read(p []byte) (int, error) {
	c.reading.Store(true)
	defer c.reading.Store(false)
	c.reads.Add(1)
	return c.Conn.Read(p)
}

func (c *watchedConn) Write(p []byte) (int, error) {
	c.writing.Store(true)
	defer c.writing.Store(false)
	return c.Conn.Write(p)
}

// runHandshake runs a handshake, and with it functions of the program's tls.Config, which may
// panic.
func (s *Server) runHandshake(conn *tls.Conn) (err error) {
	err = errPanicked // unless Handshake returns
	s.engine.recoverPanic("(TLS handshake)", func() { err = conn.Handshake() })
	return err
}
