package servertest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/testkit"
	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/servertest"
)

// If this fails with a new release of Go, the first line of a stack has
// changed: adapt inBubble.
func TestBubbleIsRecognised(t *testing.T) {
	moved := func(t *testing.T) bool {
		begun := time.Now()
		servertest.New(t).Advance(time.Hour)
		return time.Since(begun) >= time.Hour
	}
	require.False(t, moved(t), "a test outside of a bubble was taken for one inside")
	synctest.Test(t, func(t *testing.T) {
		require.True(t, moved(t), "a test inside of a bubble was not recognised")
		inside := make(chan bool)
		go func() { inside <- moved(t) }()
		require.True(t, <-inside, "another goroutine of a bubble was not recognised")
	})
}

// insideAndOutside runs a test inside and outside a bubble.
func insideAndOutside(t *testing.T, test func(t *testing.T, s *servertest.Server)) {
	t.Helper()
	t.Parallel()
	t.Run("inside a bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, servertest.New(t)) })
	})
	t.Run("outside", func(t *testing.T) { test(t, servertest.New(t)) })
}

func TestKeysAndFieldsGoAtTheirTime(t *testing.T) {
	insideAndOutside(t, func(t *testing.T, s *servertest.Server) {
		l := dial(t, s)
		l.Send("SET k v EX 30", "HSET h f v g w", "HPEXPIRE h 20000 FIELDS 1 f", "SET m v EXAT "+fmt.Sprint(s.Now().Unix()+40))
		for range 4 {
			l.Read()
		}
		s.Advance(20 * time.Second)
		require.Equal(t, `(integer) 1`, l.Ask("HEXISTS h f"))
		require.Equal(t, `(integer) 10000`, l.Ask("PTTL k"))
		s.Advance(time.Millisecond)
		require.Equal(t, `(integer) 0`, l.Ask("HEXISTS h f"))
		s.Advance(10*time.Second - time.Millisecond)
		require.Equal(t, `(integer) 1`, l.Ask("EXISTS k"))
		s.Advance(time.Millisecond)
		require.Equal(t, `(integer) 0`, l.Ask("EXISTS k"))
		require.Equal(t, `(integer) 1`, l.Ask("EXISTS m"))
		s.Advance(10 * time.Second)
		require.Equal(t, `(integer) 0`, l.Ask("EXISTS m"))
	})
}

// In one Advance over many deadlines each event comes at its own time, in order
// with the timeouts of blocked calls. All of it can be read afterwards.
func TestAdvanceKeepsTheOrderOfDeadlines(t *testing.T) {
	insideAndOutside(t, func(t *testing.T, s *servertest.Server) {
		owner, events, waiting := dial(t, s), dial(t, s), dial(t, s)
		require.Equal(t, "OK", owner.Ask("CONFIG SET notify-keyspace-events Exg"))
		for _, seconds := range []int{5, 1, 3} {
			require.Equal(t, "OK", owner.Ask(fmt.Sprintf("SET k%d v EX %[1]d", seconds)))
		}
		events.Send("PSUBSCRIBE __keyevent@0__:*")
		events.Read()
		waiting.Send("BZPOPMIN queue 2", "DEL k3 k5", "BZPOPMIN queue 7", "TIME")
		begun := s.Now()
		s.Advance(time.Minute)

		for _, want := range []string{"expired k1", "del k3", "del k5"} {
			event := strings.Fields(events.Read())
			require.Equal(t, want, strings.Join([]string{unquote(event[5])[len("__keyevent@0__:"):], unquote(event[7])}, " "))
		}
		require.Equal(t, []string{"(nil)", "(integer) 2", "(nil)"}, []string{waiting.Read(), waiting.Read(), waiting.Read()})
		require.Contains(t, waiting.Read(), fmt.Sprint(begun.Add(9*time.Second).Unix()))
	})
}

func unquote(s string) string { return strings.Trim(s, `"`) }

func TestPauseEndsAtItsTime(t *testing.T) {
	insideAndOutside(t, func(t *testing.T, s *servertest.Server) {
		l, held := dial(t, s), dial(t, s)
		require.Equal(t, "OK", l.Ask("CLIENT PAUSE 5000 WRITE"))
		held.Send("SET k 1 PX 1000", "PEXPIRETIME k")
		s.Advance(4999 * time.Millisecond)
		require.Equal(t, "(integer) 0", l.Ask("EXISTS k"))
		end := s.Now().UnixMilli() + 1
		s.Advance(time.Millisecond)
		require.Equal(t, "(integer) 1", l.Ask("EXISTS k"))
		require.Equal(t, "OK", held.Read())
		require.Equal(t, fmt.Sprintf("(integer) %d", end+1000), held.Read())
	})
}

// All commands that return a time use the same clock.
func TestThereIsOneTime(t *testing.T) {
	insideAndOutside(t, func(t *testing.T, s *servertest.Server) {
		l, quiet := dial(t, s), dial(t, s)
		require.Equal(t, "OK", quiet.Ask("CLIENT SETNAME quiet"))
		require.Equal(t, "OK", l.Ask("SET k v"))
		s.Advance(90 * time.Second)

		require.Contains(t, l.Ask("TIME"), fmt.Sprintf("%q", fmt.Sprint(s.Now().Unix())))
		require.Equal(t, "(integer) 90", l.Ask("OBJECT IDLETIME k"))
		require.Regexp(t, `name=quiet age=90 idle=90 `, l.Ask("CLIENT LIST"))
		require.Contains(t, l.Ask("INFO server"), `uptime_in_seconds:90\r\n`)

		require.Equal(t, "OK", l.Ask("CONFIG SET slowlog-log-slower-than 0"))
		require.Contains(t, l.Ask("SLOWLOG GET 1"), fmt.Sprintf("(integer) %d", s.Now().Unix()))
	})
}

func TestWhoIsTooLateIsCutOffAtItsTime(t *testing.T) {
	insideAndOutside(t, func(t *testing.T, s *servertest.Server) {
		l, slow := dial(t, s), dial(t, s)
		require.Equal(t, "OK", l.Ask(`CONFIG SET client-output-buffer-limit "pubsub 0 50000 10"`))
		slow.Send("SUBSCRIBE room")
		for range 2 {
			require.Equal(t, "(integer) 1", l.Ask("PUBLISH room "+strings.Repeat("x", 50_000)))
		}
		s.Advance(10 * time.Second)
		require.Equal(t, "(integer) 1", l.Ask("PUBLISH room hello"))
		s.Advance(time.Millisecond)
		require.Equal(t, "(integer) 0", l.Ask("PUBLISH room hello"))

		require.Equal(t, "OK", l.Ask("CONFIG SET timeout 60"))
		s.Advance(59 * time.Second)
		require.Equal(t, "PONG", l.Ask("PING"))
		s.Advance(61 * time.Second)
		_, err := resp.NewReader(l.R).Read()
		require.Error(t, err)
	})
}

func TestManualClockStartsAtTheRealTimeOrWhereItIsTold(t *testing.T) {
	t.Parallel()
	require.WithinDuration(t, time.Now(), servertest.New(t).Now(), time.Minute)
	start := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	s := servertest.New(t, func(o *servertest.Options) { o.Start = start })
	begun := time.Now()
	harness.Until(t, "real time passes", func() bool { return time.Since(begun) > 2*time.Millisecond })
	require.Equal(t, start, s.Now())
	s.Advance(time.Hour)
	require.Equal(t, start.Add(time.Hour), s.Now())
}

func TestServersWithOneClockMoveTogether(t *testing.T) {
	t.Parallel()
	clock := server.NewManualClock(time.Now())
	shared := func(o *servertest.Options) { o.Clock = clock }
	a, b := dial(t, servertest.New(t, shared)), servertest.New(t, shared)
	require.Equal(t, "OK", a.Ask("SET k v PX 500"))
	b.Advance(time.Second)
	require.Equal(t, "(integer) 0", a.Ask("EXISTS k"))
}

func TestServerThatRunsInRealTimeCanBeMovedOn(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, func(o *servertest.Options) { o.Clock = &server.RunningClock{} })
	l := dial(t, s)
	require.Equal(t, "OK", l.Ask("SET k v EX 3600"))
	require.Equal(t, "(nil)", l.Ask("BZPOPMIN queue 0.01")) // by itself
	s.Advance(time.Hour)
	require.Equal(t, "(integer) 0", l.Ask("EXISTS k"))
}

// fixed is a clock that cannot be moved.
type fixed struct{ server.Clock }

func TestClockThatCannotBeMovedIsAnError(t *testing.T) {
	t.Parallel()
	r, err := testkit.New(server.Options{Clock: fixed{server.NewManualClock(time.Now())}})
	require.NoError(t, err)
	defer r.Close()
	require.ErrorIs(t, r.Advance(time.Second), servertest.ErrClockRuns)
	real, err := testkit.New(server.Options{})
	require.NoError(t, err)
	defer real.Close()
	require.ErrorIs(t, real.Advance(time.Second), servertest.ErrClockRuns)
}
