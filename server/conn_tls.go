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

// TLSFiles are what redis-server's options tls-cert-file and so on name: files
// in PEM. They are read again when they have changed, for the connections that
// come from then on; where they cannot be read then, those read last hold.
type TLSFiles struct {
	Cert, Key string // the server's own certificate, and those that vouch for it; its key
	CA        string // certificates that vouch for clients

	// AuthClients is whether clients must have certificates: "yes", "no", or
	// "optional", where only those that are shown are checked. Default: "yes".
	AuthClients string
}

// clientAuth is what tls-auth-clients says, in the words of crypto/tls.
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

// secure returns what the options say of TLS, or nil if they say nothing.
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

// authClients is what CONFIG GET tls-auth-clients answers for a configuration.
func authClients(config *tls.Config) string {
	switch config.ClientAuth {
	case tls.NoClientCert:
		return "no"
	case tls.RequireAnyClientCert, tls.RequireAndVerifyClientCert:
		return "yes"
	}
	return "optional"
}

// listenTLS listens where clients speak TLS. Accepting shakes no hands: each
// connection does so in its own goroutine, so that none holds up another.
func listenTLS(addr string, config *tls.Config) (net.Listener, error) {
	l, err := net.Listen(network(addr), addr)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(listener{l}, config), nil
}

// shakeHands completes the handshake of a connection that is one of TLS, within
// the time that clients have to authenticate. What is not done with it counts
// as a connection under maxclients, and is no client yet: done ends that. false:
// it came to nothing.
func (s *Server) tlsHandshake(conn net.Conn) (done func(), ok bool) {
	tlsConn, ok := conn.(*tls.Conn)
	if !ok {
		return func() {}, true
	}
	h := &handshake{Conn: tlsConn, engine: s.engine, socket: rawConnOf(baseConn(tlsConn))}
	h.timer.init(h)
	h.grace.maxProgress = graceReads
	now := s.engine.settings.Load()
	if !s.trackWithin(h, now.maxClients) {
		s.engine.state.Stats.Rejected.Add(1) // without a word: there are none yet
		return nil, false
	}
	done = func() { s.untrack(h) }
	if seconds := now.timeouts.Auth; seconds > 0 {
		h.deadline = after(s.engine.clock.Now(), seconds)
		s.engine.timeoutQueue.callBy(&h.timer, h.deadline)
		defer s.engine.timeoutQueue.remove(&h.timer)
	}
	if err := s.runHandshake(tlsConn); err != nil {
		s.engine.log.log(eventTLSHandshakeFailed, "addr", quoted(conn.RemoteAddr().String()), "error", quoted(err.Error()))
		done()
		return nil, false
	}
	return done, true
}

// A handshake is a connection that is not a client yet.
type handshake struct {
	*tls.Conn
	engine   *engine
	socket   syscall.RawConn // nil: there is none that can be asked
	deadline time.Time       // when it is late
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

// progress counts what the client has sent, where that is known, and says whether
// the server has something left to do for it.
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

// A listener gives connections of which it is known whether the server waits for
// the network.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watchedConn{Conn: conn}, nil
}

// A watchedConn is a connection below TLS: how far a handshake is cannot be seen
// from above.
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

// handshake is that of a connection with TLS. It runs code of the program: the
// functions of a tls.Config.
func (s *Server) runHandshake(conn *tls.Conn) (err error) {
	err = errPanicked // should it
	s.engine.recoverPanic("(TLS handshake)", func() { err = conn.Handshake() })
	return err
}
