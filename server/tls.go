package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
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
func (s *Server) secure() (*tls.Config, error) {
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
	return s.certified(o.TLSFiles)
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
	return tls.NewListener(l, config), nil
}

// shakeHands completes the handshake of a connection that is one of TLS, within
// the time that clients have to authenticate. What is not done with it counts
// as a connection under maxclients, and is no client yet: done ends that. false:
// it came to nothing.
func (s *Server) shakeHands(conn net.Conn) (done func(), ok bool) {
	secured, ok := conn.(*tls.Conn)
	if !ok {
		return func() {}, true
	}
	h := &handshake{secured}
	now := s.engine.settings.Load()
	if !s.trackUpTo(h, now.maxClients) {
		s.engine.state.Stats.Rejected.Add(1) // without a word: there are none yet
		return nil, false
	}
	done = func() { s.untrack(h) }
	if seconds := now.patience.Auth; seconds > 0 {
		stop := s.engine.clock.AfterFunc(time.Duration(seconds)*time.Second, func() { s.engine.guard("(connection)", h.kill) })
		defer stop()
	}
	if err := s.handshake(secured); err != nil {
		s.engine.log.tell(handshakeFailed, "addr", quoted(conn.RemoteAddr().String()), "error", quoted(err.Error()))
		done()
		return nil, false
	}
	return done, true
}

// A handshake is a connection that is not a client yet.
type handshake struct{ *tls.Conn }

func (h *handshake) end()  { h.kill() }
func (h *handshake) kill() { h.NetConn().Close() }

func (h *handshake) of() *session { return nil }

func (h *handshake) name() string { return fmt.Sprintf("handshake with %v", h.RemoteAddr()) }
