package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server"
)

// serveTLS serves TLS and returns the address.
func serveTLS(t *testing.T, s *server.Server) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go s.Serve(tls.NewListener(l, selfSigned(t)))
	return l.Addr().String()
}

// selfSigned has a certificate that nobody vouches for.
func selfSigned(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
}

func dialTLS(t *testing.T, addr string) *harness.Client {
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return harness.NewClient(t, conn)
}

// A TLS connection cannot be written to after a deadline has ended a write.
func TestTLSClientMayReadLate(t *testing.T) {
	s := newServer(t, server.Options{})
	do(t, s, "SET", "k", strings.Repeat("x", 16<<20))
	p := dialTLS(t, serveTLS(t, s))
	p.Send("GET k\r\nPING")
	harness.Until(t, "the reply is under way", func() bool { return strings.Contains(do(t, s, "CLIENT", "LIST"), " cmd=get ") })
	readLength(p, 16<<20)
	require.Equal(t, "PONG", p.Read())
}

func TestCloseWithATLSClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	s := newServer(t, server.Options{})
	do(t, s, "SET", "k", strings.Repeat("x", 1<<20))
	p := dialTLS(t, serveTLS(t, s))
	p.Send(strings.Repeat("GET k\r\n", 100))
	harness.Until(t, "much is unread", func() bool { return strings.Contains(do(t, s, "CLIENT", "LIST"), " cmd=get ") })
	begun := time.Now()
	require.NoError(t, s.Close())
	harness.RequireWithin(t, time.Since(begun), 2*time.Second, "Close")
}

// Who is refused has to shake hands first, and may not.
func TestCloseWithARefusedClientThatShakesNoHands(t *testing.T) {
	s := newServer(t, server.Options{})
	addr := serveTLS(t, s)
	do(t, s, "CONFIG", "SET", "maxclients", 1)
	dial(t, s)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	harness.Until(t, "refused", func() bool { return strings.Contains(do(t, s, "INFO", "stats"), "rejected_connections:1\r\n") })
	require.NoError(t, s.Close())
}

func TestCloseAfterTheOwnerHasClosedTheListener(t *testing.T) {
	s := newServer(t, server.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "PING\r\n")
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, 7)) // so it is being served
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-served, net.ErrClosed)
	require.NoError(t, s.Close())
}

// What has been taken in but not been read does not outlive a deadline or Close.
func TestMemoryReadLooksAtDeadlineAndCloseFirst(t *testing.T) {
	s := newServer(t, server.Options{})
	conn, err := s.Dial()
	require.NoError(t, err)
	_, err = io.WriteString(conn, "PING\r\n")
	require.NoError(t, err)
	var b [1]byte
	_, err = conn.Read(b[:])
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Unix(1, 0)))
	_, err = conn.Read(b[:])
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetReadDeadline(time.Time{}))
	_, err = conn.Read(b[:])
	require.NoError(t, err)
	require.Equal(t, "P", string(b[:]))
	require.NoError(t, conn.Close())
	_, err = conn.Read(b[:])
	require.ErrorIs(t, err, net.ErrClosed)
}

// Who serves a waiting call hears of that behind what it has done itself.
func TestEventsOfTheServedComeBehindThoseOfTheGiver(t *testing.T) {
	s := newServer(t, server.Options{})
	do(t, s, "CONFIG", "SET", "notify-keyspace-events", "Kz")
	waiter, giver := dial(t, s), dial(t, s)
	waiter.Send("BZPOPMIN z 0")
	giver.Ask("HELLO 3")
	giver.Ask("SUBSCRIBE __keyspace@0__:z")
	giver.Send("ECHO before\r\nZADD z 1 x\r\nECHO behind")
	var seen []string
	for range 5 {
		v, err := resp.NewReader(giver.R).Read()
		require.NoError(t, err)
		if len(v.Elems) > 0 {
			v = v.Elems[2]
		}
		seen = append(seen, v.Text())
	}
	require.Equal(t, []string{"before", "1", "zadd", "zpopmin", "behind"}, seen)
}

// The time that a soft limit allows begins anew once the client has read.
func TestSoftOutputLimitForgetsWhatWasRead(t *testing.T) {
	clock := server.NewManualClock(time.UnixMilli(1615480369000))
	s := newServer(t, server.Options{Clock: clock})
	subscriber := dial(t, s)
	subscriber.Ask("SUBSCRIBE news")
	do(t, s, "CONFIG", "SET", "client-output-buffer-limit", "pubsub 100mb 100kb 10")
	for range 3 {
		do(t, s, "PUBLISH", "news", strings.Repeat("x", 200<<10))
		subscriber.Read()
		clock.Advance(20 * time.Second)
	}
}

func TestManualClockNeverGoesBack(t *testing.T) {
	clock := server.NewManualClock(time.Unix(100, 0))
	reached, moved := make(chan struct{}), make(chan struct{})
	clock.AfterFunc(time.Second, func() { close(reached) })
	go func() {
		defer close(moved)
		<-reached
		clock.Advance(10 * time.Second)
	}()
	clock.Advance(2 * time.Second)
	<-moved
	require.Equal(t, int64(112), clock.Now().Unix())
}

// Whoever waits in a bubble waits durably, or its time stands still.
func TestTwoReadersInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, server.Options{})
		conn, err := s.Dial()
		require.NoError(t, err)
		ended := make(chan error)
		for range 2 {
			go func() {
				_, err := conn.Read(make([]byte, 1))
				ended <- err
			}()
		}
		synctest.Wait()
		require.NoError(t, conn.Close())
		require.ErrorIs(t, <-ended, net.ErrClosed)
		require.ErrorIs(t, <-ended, net.ErrClosed)
	})
}
