package server

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

// A brittleClock is a ManualClock whose Now panics once after each request of
// the test.
type brittleClock struct {
	*ManualClock
	armed atomic.Bool
}

func (c *brittleClock) Now() time.Time {
	if c.armed.CompareAndSwap(true, false) {
		panic(explosion)
	}
	return c.ManualClock.Now()
}

// Whichever timer panics: the process continues, the lock is free, the next
// timer is set, and Close has nothing to wait for.
func TestPanickingTimersHurtNothing(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		set     func(p *alarmTest) // sets a timer that fires within a second
		check   func(p *alarmTest)
	}{
		"keys expire": {
			set: func(p *alarmTest) { p.send("PSETEX a 10 v\r\nPSETEX b 1500 v\r\n", 2) },
			check: func(p *alarmTest) {
				p.clock.Advance(time.Second)
				expired := 0
				p.Inspect(func(s *commands.State) { expired = int(s.Stats.Expired.Load()) })
				require.Equal(p, 2, expired, "without any call")
			},
		},
		"a blocked call times out": {
			set: func(p *alarmTest) { p.send("BZPOPMIN z 0.01\r\n", 0) },
		},
		"a pause ends": {
			set: func(p *alarmTest) { p.send("CLIENT PAUSE 10 ALL\r\nPING\r\n", 1) },
		},
		"keys are evicted": {
			set: func(p *alarmTest) {
				p.engine.mu.Lock()
				defer p.engine.mu.Unlock()
				p.engine.evictLater()
			},
			check: func(p *alarmTest) {
				p.engine.mu.Lock()
				defer p.engine.mu.Unlock()
				require.False(p, p.engine.evictionTimer.isSet())
			},
		},
		"clients are late": {
			options: Options{Config: map[string]string{"timeout": "1"}},
			set:     func(p *alarmTest) { p.send("PING\r\n", 1) },
			check: func(p *alarmTest) {
				p.clock.Advance(2 * time.Second)
				_, err := p.conn.Read(make([]byte, 1))
				require.ErrorIs(p, err, io.EOF, "it has been idle")
			},
		},
		"passwords are tried": {
			options: Options{Password: "secret"},
			set: func(p *alarmTest) {
				p.engine.mu.Lock()
				defer p.engine.mu.Unlock()
				c := p.engine.callerOf(p.engine.state.Clients.All()[0])
				c.inProcess = false
				p.engine.unauthenticated.Add(1) // counts as unauthenticated from then on
				p.bucket = p.engine.ensureBucket(c)
				p.bucket.tokens = 0
				p.engine.queueAuth(c, p.engine.newRequest([][]byte{[]byte("AUTH"), []byte("secret")}))
			},
			check: func(p *alarmTest) {
				p.clock.Advance(time.Second)
				p.engine.mu.Lock()
				defer p.engine.mu.Unlock()
				require.Zero(p, p.bucket.queue.Len())
				require.False(p, p.engine.authLimiter.draining)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &alarmTest{TB: t, clock: &brittleClock{ManualClock: NewManualClock(time.UnixMilli(1615480369000))}}
			test.options.Clock = p.clock
			p.Server = newClosed(t, test.options)
			var err error
			p.conn, err = p.Dial()
			require.NoError(t, err)
			test.set(p)
			p.clock.armed.Store(true)
			p.clock.Advance(time.Second)
			require.False(t, p.clock.armed.Load(), "nothing has panicked")
			require.Positive(t, p.engine.log.counts[eventPanic].Load())
			require.NoError(t, p.Check())
			if test.check != nil {
				test.check(p)
			}
			_, err = p.Do(t.Context(), "PING")
			require.NoError(t, err)
			require.NoError(t, p.Close())
		})
	}
}

type alarmTest struct {
	testing.TB
	*Server
	clock  *brittleClock
	conn   net.Conn
	bucket *bucket
}

// send sends calls, and reads as many replies.
func (p *alarmTest) send(calls string, replies int) {
	_, err := io.WriteString(p.conn, calls)
	require.NoError(p, err)
	for line := make([]byte, 1); replies > 0; {
		_, err := p.conn.Read(line)
		require.NoError(p, err)
		if line[0] == '\n' {
			replies--
		}
	}
}

func TestPanickingTimeoutCheckEndsNoOther(t *testing.T) {
	clock := NewManualClock(time.UnixMilli(1615480369000))
	var tasks sync.WaitGroup
	var r timerQueue
	r.init(clock, &tasks, new(pendingWork))
	var told []timeoutChecker
	r.onPanic = func(l timeoutChecker, _ any) { told = append(told, l) }
	bad, good := newTimerOwner(&r, func(time.Time) time.Time { panic(explosion) }), newTimerOwner(&r, never)
	bad.timer.callBy(clock.Now().Add(time.Second))
	good.timer.callBy(clock.Now().Add(2 * time.Second))
	clock.Advance(3 * time.Second)
	require.Equal(t, []timeoutChecker{bad}, told)
	require.Len(t, good.seen, 1)
	bad.timer.remove()
	tasks.Wait()
}

// A brittleHandler is a log handler that panics.
type brittleHandler struct{ slog.Handler }

func (brittleHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (brittleHandler) Handle(context.Context, slog.Record) error { panic(explosion) }

func TestLoggerThatPanicsHurtsNothing(t *testing.T) {
	s := newClosed(t, Options{Logger: slog.New(brittleHandler{})})
	conn, err := s.Dial()
	require.NoError(t, err)
	_, err = io.WriteString(conn, "AUTH x\r\nCONFIG SET timeout 3\r\n")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, s.Check())
	require.NoError(t, s.Close())
}

// A brittleConn is a connection that panics when it is read, written or closed.
type brittleConn struct {
	net.Conn
	read, write, close bool
}

func (c *brittleConn) Read(p []byte) (int, error) {
	if c.read {
		panic(explosion)
	}
	return c.Conn.Read(p)
}

func (c *brittleConn) Write(p []byte) (int, error) {
	if c.write {
		panic(explosion)
	}
	return c.Conn.Write(p)
}

func (c *brittleConn) Close() error {
	c.Conn.Close()
	if c.close {
		panic(explosion)
	}
	return nil
}

// A handOver is a listener that returns one connection.
type handOver struct {
	conn   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *handOver) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *handOver) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *handOver) Addr() net.Addr { return memoryAddr{} }

// Connections of the embedding program may panic, as handlers may.
func TestConnectionThatPanicsEndsAlone(t *testing.T) {
	for name, wrap := range map[string]func(c net.Conn) net.Conn{
		"reading": func(c net.Conn) net.Conn { return &brittleConn{Conn: c, read: true} },
		"writing": func(c net.Conn) net.Conn { return &brittleConn{Conn: c, write: true} },
		"closing": func(c net.Conn) net.Conn { return &brittleConn{Conn: c, close: true} },
		"shaking hands": func(c net.Conn) net.Conn {
			return tls.Server(c, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { panic(explosion) }})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newClosed(t, Options{})
			l := &handOver{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
			served := make(chan error)
			go func() { served <- s.Serve(l) }()
			client, server := net.Pipe()
			l.conn <- wrap(server)
			if strings.HasPrefix(name, "shaking") {
				require.Error(t, tls.Client(client, &tls.Config{InsecureSkipVerify: true}).Handshake())
			} else {
				io.WriteString(client, "PING\r\nQUIT\r\n")
				io.Copy(io.Discard, client) // until it ends
			}
			require.NoError(t, s.Close())
			require.ErrorIs(t, <-served, ErrClosed)
			require.Positive(t, s.engine.log.counts[eventPanic].Load())
			require.NoError(t, s.Check())
			require.Empty(t, s.conns)
		})
	}
}
