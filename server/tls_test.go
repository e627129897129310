package server_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/redistest"
	"github.com/parley-chat/parley/internal/test/tlstest"
	"github.com/parley-chat/parley/server"
)

// startTLS runs a server that listens with TLS only.
func startTLS(t *testing.T, o server.Options) *server.Server {
	o.TLSAddr = "127.0.0.1:0"
	s, err := server.Start(o)
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	return s
}

// certified are the files of a server that wants certificates of its clients,
// or not.
func certified(t *testing.T, a *tlstest.Authority, clients string) server.TLSFiles {
	p := a.Issue(t.TempDir(), "server")
	return server.TLSFiles{Cert: p.Cert, Key: p.Key, CA: a.File, AuthClients: clients}
}

// secured connects with TLS. What TLS 1.3 has against a client's certificate
// comes only with the first reply.
func secured(t *testing.T, s *server.Server, config *tls.Config) (*harness.Client, error) {
	conn, err := tls.Dial("tcp", s.TLSAddr(), config)
	if err != nil {
		return nil, err
	}
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	p := harness.NewClient(t, conn)
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return nil, err
	}
	_, err = resp.NewReader(p.R).Read()
	return p, err
}

func TestTLSOnly(t *testing.T) {
	a := tlstest.New(t)
	s := startTLS(t, server.Options{TLS: &tls.Config{Certificates: []tls.Certificate{a.Certificate("server")}}})
	require.Empty(t, s.Addr())
	require.Equal(t, "rediss://"+s.TLSAddr(), s.URL())
	p, err := secured(t, s, a.Client())
	require.NoError(t, err)
	_, port, _ := net.SplitHostPort(s.TLSAddr())
	require.Equal(t, "1) \"port\"\n2) \"0\"", p.Ask("CONFIG GET port"))
	require.Equal(t, "1) \"tls-port\"\n2) \""+port+"\"", p.Ask("CONFIG GET tls-port"))
	require.Equal(t, "1) \"tls-auth-clients\"\n2) \"no\"", p.Ask("CONFIG GET tls-auth-clients"))
	require.Contains(t, p.Ask("INFO server"), "tcp_port:"+port)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		old := a.Client()
		old.MinVersion, old.MaxVersion = version, version
		_, err := secured(t, s, old)
		require.ErrorContains(t, err, "protocol version")
	}
}

func TestTLSBesideTCP(t *testing.T) {
	a := tlstest.New(t)
	s := startTLS(t, server.Options{Addr: "127.0.0.1:0", TLSFiles: certified(t, a, "no")})
	require.Equal(t, "redis://"+s.Addr(), s.URL())
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer conn.Close()
	plain := harness.NewClient(t, conn)
	require.Equal(t, "OK", plain.Ask("SET k v"))
	p, err := secured(t, s, a.Client())
	require.NoError(t, err)
	require.Equal(t, `"v"`, p.Ask("GET k"))
}

func TestTLSOptionsThatContradict(t *testing.T) {
	a := tlstest.New(t)
	files := certified(t, a, "no")
	config := &tls.Config{Certificates: []tls.Certificate{a.Certificate("server")}}
	for _, o := range []server.Options{
		{TLSAddr: "127.0.0.1:0"},
		{TLS: config},
		{TLSFiles: files},
		{TLSAddr: "127.0.0.1:0", TLS: config, TLSFiles: files},
		{TLSAddr: "127.0.0.1:0", TLSFiles: server.TLSFiles{Cert: files.Cert, Key: files.Key}}, // clients cannot be checked
		{TLSAddr: "127.0.0.1:0", TLSFiles: server.TLSFiles{Cert: files.Cert, Key: files.Key, AuthClients: "maybe"}},
		{TLSAddr: "127.0.0.1:0", TLSFiles: server.TLSFiles{Cert: files.Cert, Key: certified(t, a, "no").Key, AuthClients: "no"}},
		{TLSAddr: "127.0.0.1:0", TLSFiles: server.TLSFiles{Cert: files.Cert, Key: files.Key, CA: files.Key}},
	} {
		_, err := server.Start(o)
		require.Error(t, err, "%+v", o)
	}
}

func TestTLSAuthClients(t *testing.T) {
	a, foreign := tlstest.New(t), tlstest.New(t)
	for _, c := range []struct {
		clients             string
		none, ours, foreign bool // who gets in
	}{{"yes", false, true, false}, {"optional", true, true, false}, {"no", true, true, true}} {
		s := startTLS(t, server.Options{TLSFiles: certified(t, a, c.clients)})
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			try := func(own ...tls.Certificate) bool {
				config := a.Client(own...)
				config.MaxVersion = version
				_, err := secured(t, s, config)
				return err == nil
			}
			require.Equal(t, c.none, try(), c.clients)
			require.Equal(t, c.ours, try(a.Certificate("alice")), c.clients)
			require.Equal(t, c.foreign, tryAnyway(t, s, a, foreign.Certificate("mallory"), version), c.clients)
		}
	}
}

// tryAnyway shows a certificate that the server does not ask for.
func tryAnyway(t *testing.T, s *server.Server, a *tlstest.Authority, own tls.Certificate, version uint16) bool {
	config := a.Client()
	config.MaxVersion = version
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	_, err := secured(t, s, config)
	return err == nil
}

func TestTLSCertificatesAreReadAgain(t *testing.T) {
	a, successor := tlstest.New(t), tlstest.New(t)
	var log harness.Log
	files := certified(t, a, "no")
	s := startTLS(t, server.Options{TLSFiles: files, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	early, err := secured(t, s, a.Client())
	require.NoError(t, err)

	dir := filepath.Dir(files.Cert)
	require.NoError(t, os.WriteFile(files.Key, []byte("half a k"), 0o600))
	_, err = secured(t, s, a.Client())
	require.NoError(t, err, "what was read before holds")
	require.Contains(t, log.String(), "TLS certificates changed but cannot be read")

	successor.Issue(dir, "server")
	_, err = secured(t, s, a.Client())
	require.Error(t, err)
	_, err = secured(t, s, successor.Client())
	require.NoError(t, err)
	require.NoError(t, os.Remove(files.Cert))
	_, err = secured(t, s, successor.Client())
	require.NoError(t, err)
	require.Equal(t, "PONG", early.Ask("PING"), "who is in stays")
}

// Handshakes wait for nobody but their own client, and not for ever.
func TestThousandsThatNeverShakeHands(t *testing.T) {
	const silent = 1000
	a := tlstest.New(t)
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := startTLS(t, server.Options{TLSFiles: certified(t, a, "no"), Clock: clock})
	var conns []net.Conn
	for i := range silent {
		conn, err := net.Dial("tcp", s.TLSAddr())
		require.NoError(t, err)
		defer conn.Close()
		if i%2 == 1 { // the beginning of a handshake is none either
			_, err := conn.Write([]byte{22, 3, 1, 1, 0, 1})
			require.NoError(t, err)
		}
		conns = append(conns, conn)
	}
	begun := time.Now()
	p, err := secured(t, s, a.Client())
	require.NoError(t, err)
	harness.RequireWithin(t, time.Since(begun), 5*time.Second, "a handshake beside the silent ones")
	require.Contains(t, do(t, s, "INFO", "clients"), "connected_clients:1\r\n")

	clock.Advance(30 * time.Second)
	for _, conn := range conns {
		err := os.ErrDeadlineExceeded
		harness.Until(t, "it is closed", func() bool {
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
			if _, err = conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
				clock.Advance(30 * time.Second) // it was let in when the clock had moved already
			}
			return !errors.Is(err, os.ErrDeadlineExceeded)
		})
		require.Error(t, err)
	}
	require.Equal(t, "PONG", p.Ask("PING"), "who has shaken hands has no deadline")
}

func TestHandshakesCountUnderMaxclients(t *testing.T) {
	a := tlstest.New(t)
	s := startTLS(t, server.Options{TLSFiles: certified(t, a, "no"), Config: map[string]string{"maxclients": "3"}})
	closed := make(chan net.Conn)
	var left []net.Conn
	for range 4 {
		conn, err := net.Dial("tcp", s.TLSAddr())
		require.NoError(t, err)
		defer conn.Close()
		left = append(left, conn)
		go func() {
			conn.Read(make([]byte, 1))
			closed <- conn
		}()
	}
	refused := <-closed
	require.Contains(t, do(t, s, "INFO", "stats"), "rejected_connections:1\r\n")
	left = slices.DeleteFunc(left, func(c net.Conn) bool { return c == refused })
	require.NoError(t, left[0].Close())
	<-closed
	harness.Until(t, "a place is free", func() bool {
		_, err := secured(t, s, a.Client())
		return err == nil
	})
	for _, conn := range left[1:] {
		conn.Close()
		<-closed
	}
}

func TestCloseEndsHandshakes(t *testing.T) {
	a := tlstest.New(t)
	s := startTLS(t, server.Options{TLSFiles: certified(t, a, "no")})
	for range 10 {
		conn, err := net.Dial("tcp", s.TLSAddr())
		require.NoError(t, err)
		defer conn.Close()
	}
	_, err := secured(t, s, a.Client()) // so the others have been accepted
	require.NoError(t, err)
	begun := time.Now()
	require.NoError(t, s.Close())
	harness.RequireWithin(t, time.Since(begun), 2*time.Second, "Close")
}

// Who speaks no TLS costs nobody else anything, and is not served.
func TestPlainClientAtTheTLSPort(t *testing.T) {
	a := tlstest.New(t)
	s := startTLS(t, server.Options{TLSFiles: certified(t, a, "no")})
	for _, text := range []string{"PING\r\n", "*1\r\n$4\r\nPING\r\n", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff", strings.Repeat("SET k v\r\n", 1000)} {
		conn, err := net.Dial("tcp", s.TLSAddr())
		require.NoError(t, err)
		_, err = io.WriteString(conn, text)
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		reply, err := io.ReadAll(conn)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, text)
		require.NotContains(t, string(reply), "PONG")
		require.NoError(t, conn.Close())
	}
	p, err := secured(t, s, a.Client())
	require.NoError(t, err)
	require.Equal(t, "(integer) 0", p.Ask("DBSIZE"))
	require.Contains(t, do(t, s, "INFO", "stats"), "total_connections_received:1\r\n")
}

// A subscriber over TLS that does not read stops nobody, and is cut off at its
// limit.
func TestStuckSubscriberOverTLS(t *testing.T) {
	a := tlstest.New(t)
	s := startTLS(t, server.Options{TLSFiles: certified(t, a, "no"), Config: map[string]string{
		"client-output-buffer-limit": "pubsub 1mb 0 0",
	}})
	stuck, err := secured(t, s, a.Client())
	require.NoError(t, err)
	stuck.Ask("SUBSCRIBE news")
	other, err := secured(t, s, a.Client())
	require.NoError(t, err)
	text := strings.Repeat("x", 64<<10)
	harness.Until(t, "cut off", func() bool {
		require.Less(t, do(t, s, "PUBLISH", "news", text), "(integer) 2")
		require.Equal(t, "PONG", other.Ask("PING"))
		return strings.Contains(do(t, s, "INFO", "stats"), "client_output_buffer_limit_disconnections:1\r\n")
	})
}

func TestRedisCLIOverTLS(t *testing.T) {
	redistest.CLI(t)
	a := tlstest.New(t)
	s := startTLS(t, server.Options{TLSFiles: certified(t, a, "yes"), Password: "secret"})
	own := a.Issue(t.TempDir(), "alice")
	where := at(s.TLSAddr(), "--tls", "--cacert", a.File)
	out, _ := cli(t, "SET k v\nGET k\nCONFIG GET tls-auth-clients\n", append(where, "--cert", own.Cert, "--key", own.Key, "-a", "secret", "--no-auth-warning")...)
	require.Equal(t, "OK\nv\ntls-auth-clients\nyes\n", out)
	out, errs := cli(t, "", append(where, "PING")...)
	require.NotContains(t, out, "PONG")
	require.NotEmpty(t, errs)
}

// A client may not negotiate again: that would cost the server far more than it.
func TestRenegotiationEndsTheConnection(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("only openssl asks for renegotiation")
	}
	a := tlstest.New(t)
	s := startTLS(t, server.Options{TLSFiles: certified(t, a, "no")})
	c := exec.CommandContext(t.Context(), openssl, "s_client", "-connect", s.TLSAddr(), "-tls1_2", "-CAfile", a.File)
	stdin, err := c.StdinPipe()
	require.NoError(t, err)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	require.NoError(t, c.Start())
	harness.Until(t, "connected", func() bool { return strings.Contains(do(t, s, "INFO", "clients"), "connected_clients:1\r\n") })
	_, err = io.WriteString(stdin, "R\n")
	require.NoError(t, err)
	require.Error(t, c.Wait())
	require.Contains(t, out.String(), "RENEGOTIATING")
	require.Contains(t, out.String(), "alert unexpected message")
	harness.Until(t, "gone", func() bool { return strings.Contains(do(t, s, "INFO", "clients"), "connected_clients:0\r\n") })
}

// A connection on which bytes are sent one by one, however many are written at once.
type byteByByte struct {
	net.Conn
	on   bool
	sent int // while on
}

func (b *byteByByte) Write(p []byte) (int, error) {
	if !b.on {
		return b.Conn.Write(p)
	}
	for i := range p {
		if _, err := b.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
		for begun := time.Now(); time.Since(begun) < 20*time.Microsecond; { // so that each is read by itself
		}
		b.sent++
	}
	return len(p), nil
}

// Who sends a record in thousands of pieces, of which none is input until all have come,
// does not keep the server so busy that it is never late. It could for 256 records.
func TestRecordsInManyPiecesKeepNobodyConnected(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	a := tlstest.New(t)
	s := startTLS(t, server.Options{Clock: clock, Password: "secret", TLSFiles: certified(t, a, "no")})
	raw, err := net.Dial("tcp", s.TLSAddr())
	require.NoError(t, err)
	defer raw.Close()
	b := &byteByByte{Conn: raw}
	conn := tls.Client(b, a.Client())
	_, err = io.WriteString(conn, "PING\r\n")
	require.NoError(t, err)
	_, err = resp.NewReader(conn).Read()
	require.NoError(t, err)

	moved := make(chan struct{})
	go func() {
		defer close(moved)
		clock.Advance(time.Minute)
	}()
	b.on = true
	for lines := bytes.Repeat([]byte("\n"), 16_000); err == nil && b.sent < 2<<20; {
		_, err = conn.Write(lines)
	}
	require.Error(t, err, "after %d bytes", b.sent)
	<-moved
}
