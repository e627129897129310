package server_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	. "github.com/parley-chat/parley/server"
)

// A movable clock is what a test can move.
type movable interface {
	Clock
	Advance(time.Duration)
}

// eachClock runs a test with each clock that can be moved, in a bubble, so that
// the one that runs does so in steps.
func eachClock(t *testing.T, test func(t *testing.T, c movable)) {
	t.Run("manual", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, NewManualClock(time.Now())) })
	})
	t.Run("running", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, &RunningClock{}) })
	})
}

// A diary notes what a clock calls, and when.
type diary struct {
	clock movable
	begun time.Time

	mu    sync.Mutex // guards lines
	lines []string
}

func newDiary(c movable) *diary { return &diary{clock: c, begun: c.Now()} }

func (d *diary) note(name string) func() {
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.lines = append(d.lines, fmt.Sprint(name, " at ", d.clock.Now().Sub(d.begun)))
	}
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

func TestAdvanceRunsTimersInOrderAtTheirTime(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, c movable) {
		d := newDiary(c)
		c.AfterFunc(3*time.Second, d.note("third"))
		c.AfterFunc(time.Second, d.note("first"))
		c.AfterFunc(2*time.Second, d.note("second"))
		c.AfterFunc(2*time.Second, d.note("second, asked for later"))
		c.AfterFunc(4*time.Second, d.note("too late"))
		c.Advance(3500 * time.Millisecond)
		require.Equal(t, []string{"first at 1s", "second at 2s", "second, asked for later at 2s", "third at 3s"}, d.read())
		require.Equal(t, 3500*time.Millisecond, c.Now().Sub(d.begun))
	})
}

func TestAdvanceRunsTimersSetMeanwhile(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, c movable) {
		d := newDiary(c)
		var again func()
		again = func() {
			d.note("tick")()
			c.AfterFunc(time.Second, again)
		}
		c.AfterFunc(time.Second, again)
		c.AfterFunc(2500*time.Millisecond, d.note("between"))
		c.Advance(3 * time.Second)
		require.Equal(t, []string{"tick at 1s", "tick at 2s", "between at 2.5s", "tick at 3s"}, d.read())
	})
}

func TestStoppedTimerDoesNotFire(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, c movable) {
		d := newDiary(c)
		stop := c.AfterFunc(time.Second, d.note("stopped"))
		kept := c.AfterFunc(time.Second, d.note("kept"))
		require.True(t, stop())
		require.False(t, stop())
		c.Advance(time.Second)
		require.False(t, kept())
		require.Equal(t, []string{"kept at 1s"}, d.read())
	})
}

func TestNegativeAdvanceDoesNothing(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, c movable) {
		begun := c.Now()
		c.Advance(-time.Hour)
		require.Equal(t, begun, c.Now())
	})
}

// What is called while the clock is moved has ended when Advance returns, even
// if another goroutine calls it.
func TestAdvancesFollowOneAnother(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]movable{"manual": NewManualClock(time.Now()), "running": &RunningClock{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := c.Now()
			var running, overlaps, called atomic.Int64
			const each, all = 200, 8
			var group sync.WaitGroup
			for n := range all {
				group.Go(func() {
					random := rand.New(rand.NewPCG(1, uint64(n)))
					for range each {
						due := time.Duration(random.IntN(3)) * time.Millisecond
						stop := c.AfterFunc(due, func() {
							if running.Add(1) != 1 {
								overlaps.Add(1)
							}
							called.Add(1)
							running.Add(-1)
						})
						if random.IntN(4) == 0 && stop() {
							called.Add(1)
						}
						c.Advance(time.Millisecond)
					}
				})
			}
			group.Wait()
			c.Advance(time.Second)
			require.Zero(t, overlaps.Load())
			require.EqualValues(t, each*all, called.Load())
			require.GreaterOrEqual(t, c.Now().Sub(begun), each*all*time.Millisecond+time.Second)
		})
	}
}

func TestRunningClockRunsBesides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &RunningClock{}
		d := newDiary(c)
		c.AfterFunc(10*time.Second, d.note("ten"))
		c.AfterFunc(20*time.Second, d.note("twenty"))
		time.Sleep(4 * time.Second)
		require.Equal(t, 4*time.Second, c.Now().Sub(d.begun))
		c.Advance(5 * time.Second)
		require.Equal(t, 9*time.Second, c.Now().Sub(d.begun))
		require.Empty(t, d.read())
		time.Sleep(time.Second) // the rest comes by itself, as much sooner as the clock was moved
		synctest.Wait()
		require.Equal(t, []string{"ten at 10s"}, d.read())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"ten at 10s", "twenty at 20s"}, d.read())
		require.Equal(t, 5*time.Second, time.Until(c.Now()))
	})
}

// An appointment that the timer keeps holds up Advance, and is over before it.
func TestAdvanceWaitsForPendingWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &RunningClock{}
		d := newDiary(c)
		begun, goOn := make(chan bool), make(chan bool)
		c.AfterFunc(time.Second, func() {
			close(begun)
			<-goOn
			d.note("slow")()
		})
		c.AfterFunc(time.Second, d.note("behind it"))
		<-begun
		moved := make(chan bool)
		go func() {
			c.Advance(time.Minute)
			d.note("moved")()
			close(moved)
		}()
		close(goOn)
		<-moved
		require.Equal(t, []string{"slow at 1s", "behind it at 1s", "moved at 1m1s"}, d.read())
	})
}

// What a client has sent behind a call that waited runs at the time at which that
// ends, before anything that falls due later, and is answered when Advance returns.
func TestAdvanceRunsWhatWasSentBehindABlockedCall(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, clock movable) {
		s, err := New(Options{Clock: clock})
		require.NoError(t, err)
		defer s.Close()
		conn, err := s.Dial()
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "BZPOPMIN queue 1\r\nSET k v PX 1000\r\nBZPOPMIN queue 2\r\nEXISTS k\r\nPING\r\n")
		require.NoError(t, err)
		clock.Advance(3 * time.Second)
		replies := make([]byte, 1000)
		n, err := conn.Read(replies) // all that is there
		require.NoError(t, err)
		require.Equal(t, "*-1\r\n+OK\r\n*-1\r\n:0\r\n+PONG\r\n", string(replies[:n]))
	})
}

// When Advance returns, clients past their idle timeout are disconnected.
func TestAdvanceEndsIdleClients(t *testing.T) {
	t.Parallel()
	eachClock(t, func(t *testing.T, clock movable) {
		s, err := New(Options{Clock: clock, Config: map[string]string{"timeout": "60"}})
		require.NoError(t, err)
		defer s.Close()
		conn, err := s.Dial()
		require.NoError(t, err)
		defer conn.Close()
		clock.Advance(time.Minute + time.Second)
		v, err := s.Do(t.Context(), "CLIENT", "LIST")
		require.NoError(t, err)
		require.Empty(t, v.Str)
	})
}
