package server

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/transcript"
)

// A bomb makes handlers panic: before they begin, in the middle, or at the end.
// For the first and the last the rows of the server's table are wrapped. In the
// middle a subscriber panics: it receives keyspace events while the handler
// runs, between two changes.
type bomb struct {
	point  point
	skip   int // number of handlers that run before the panic, as in EXEC
	pushes int // number of events before it, in the middle
	caller caller

	inside *commands.Command // the running handler
	went   bool
	hit    map[string]map[point]bool // rows that have panicked, and where
}

type point int

const (
	nowhere point = iota
	atStart
	inMiddle
	atEnd
	points
)

// panics counts the panics of all bombs.
var panics atomic.Int64

const explosion = "a bomb in a test"

// rig makes the handlers of a server, and its events, trigger the bomb.
func (b *bomb) rig(t *testing.T, e *engine) {
	b.hit = make(map[string]map[point]bool)
	s := &e.state
	s.Table = commands.NewTable(b.wrap(commands.Standard().Rows()))
	s.Stats.Reset(s.Table)
	s.Host.Debug = "yes"
	b.caller.limits.Store(new(callerLimits))
	t.Cleanup(func() { e.removeClient(&b.caller) })
}

// listen subscribes the bomb again, since clients kill others.
func (b *bomb) listen(s *commands.State) {
	if l := b.caller.client; l == nil || s.Clients.Get(l.ID) != l {
		l = &commands.Client{ID: 1 << 40, Protocol: 3, Peer: b}
		b.caller.client = l
		s.Clients.Add(l)
		s.Channels.Subscribe(l, commands.ToPattern, []byte("*"))
	}
}

func (b *bomb) wrap(rows []*commands.Command) (wrapped []commands.Command) {
	for _, row := range rows {
		copied := *row
		copied.Subs = b.wrap(row.Children())
		if run := row.Run; run != nil {
			copied.Run = func(c *commands.Context) error { return b.run(c, run) }
		}
		wrapped = append(wrapped, copied)
	}
	return wrapped
}

func (b *bomb) run(c *commands.Context, handler func(*commands.Context) error) error {
	before, mine := b.inside, b.skip == 0
	defer func() { b.inside = before }()
	b.inside = c.Command
	b.skip--
	if mine && b.point == atStart {
		b.explode()
	}
	err := handler(c)
	if mine && b.point == atEnd {
		b.inside = c.Command
		b.explode()
	}
	return err
}

// arm sets the bomb for the next call. All events are on, whatever CONFIG says.
func (b *bomb) arm(e *engine, p point, skip, pushes int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b.point, b.skip, b.pushes, b.went = p, skip, pushes, false
	b.listen(&e.state)
	e.state.Config.Events, _ = commands.ParseEvents("KEA")
	e.publishSettings()
}

func (b *bomb) explode() {
	if b.hit[b.inside.FullName()] == nil {
		b.hit[b.inside.FullName()] = make(map[point]bool)
	}
	b.hit[b.inside.FullName()][b.point] = true
	b.point, b.went = nowhere, true
	panics.Add(1)
	panic(explosion)
}

// Push makes the bomb a commands.Peer, with the methods below.
func (b *bomb) Push(*commands.Message) {
	if b.point != inMiddle || b.inside == nil || b.skip >= 0 {
		return
	}
	if b.pushes--; b.pushes < 0 {
		b.explode()
	}
}

func (*bomb) Finish()               {}
func (*bomb) Kill()                 {}
func (*bomb) Usage() commands.Usage { return commands.Usage{} }

func (*bomb) InFlight() commands.InFlight { return commands.InFlight{} }

// Whichever handler panics, and wherever: its client gets an error, the server
// continues, its data is consistent, and a server that replays its effects has
// the same data.
func TestPanicsOfHandlersHurtNobody(t *testing.T) {
	hit, mu := make(map[string]map[point]bool), sync.Mutex{}
	note := func(b *bomb) {
		mu.Lock()
		defer mu.Unlock()
		for name, at := range b.hit {
			if hit[name] == nil {
				hit[name] = make(map[point]bool)
			}
			maps.Copy(hit[name], at)
		}
	}
	t.Run("in transcripts", func(t *testing.T) {
		eachTranscript(t, func(t *testing.T, steps []transcript.Step) {
			for round := range harness.Count(1, 2) {
				note(playWithPanics(t, steps, uint64(round)))
			}
		})
	})
	t.Run("each row", func(t *testing.T) {
		note(panicInEachRow(t, func(m *commands.Command, p point) bool { return hit[m.FullName()][p] }))
	})
	if t.Failed() {
		return
	}
	var missed []string
	for _, row := range commands.Standard().Rows() {
		for _, m := range leavesOf(row) {
			for p := atStart; p < points; p++ {
				if comesTo(m, p) && !hit[m.FullName()][p] {
					missed = append(missed, fmt.Sprintf("%s at %d", m.FullName(), p))
				}
			}
		}
	}
	require.Empty(t, missed, "these have not panicked")
	t.Logf("%d panics, in %d rows", panics.Load(), len(hit))
}

func playWithPanics(t *testing.T, steps []transcript.Step, seed uint64) *bomb {
	w, b, random := newChecker(t, 2, time.Now()), new(bomb), rand.New(rand.NewPCG(seed, 0))
	var log harness.Log
	w.server.engine.log.logger = slog.New(slog.NewTextHandler(&log, nil))
	b.rig(t, w.server.engine)
	went := false
	for i, s := range steps {
		if s.Pause > 0 {
			b.arm(w.server.engine, nowhere, 0, 0)
			w.advance(s.Pause)
			continue
		}
		b.arm(w.server.engine, sequence[(i+int(seed))%len(sequence)], max(0, random.IntN(8)-6), max(0, random.IntN(4)-2))
		w.callToPanic(s.Conn, s.Words, b)
		went = went || b.went
		require.NoError(t, w.server.Check(), "%s", w.context)
	}
	if went {
		require.Contains(t, log.String(), explosion)
		require.Contains(t, log.String(), "panics_test.go", "the stack")
	}
	return b
}

// panicInEachRow makes random calls of rows that have not panicked everywhere
// in transcripts.
func panicInEachRow(t *testing.T, done func(*commands.Command, point) bool) *bomb {
	w, b, g := newChecker(t, 2, time.Now()), new(bomb), newGenerator(1)
	b.rig(t, w.server.engine)
	for _, row := range commands.Standard().Rows() {
		for _, m := range leavesOf(row) {
			for p := atStart; p < points; p++ {
				if done(m, p) || !comesTo(m, p) {
					continue
				}
				b.went = false
				for try := 0; try < 300 && !b.went; try++ {
					if words := g.call(m); m.Accepts(len(words)) {
						w.panicAlone(words, p, b)
					}
				}
			}
		}
	}
	require.NoError(t, w.server.Check())
	return b
}

// comesTo reports whether this bomb can panic there: some rows cause no event.
func comesTo(m *commands.Command, p point) bool {
	return p != inMiddle || m.Has(commands.Write) && !slices.Contains([]string{"flushall", "flushdb", "swapdb"}, m.FullName())
}

// panicAlone makes a call on a connection of its own, with some keys in the
// data.
func (w *checker) panicAlone(words []string, p point, b *bomb) {
	b.arm(w.server.engine, nowhere, 0, 0)
	w.ask([]string{"SET", "k1", "1"}, []string{"HSET", "h1", "a", "1"}, []string{"SADD", "s1", "a", "b"}, []string{"ZADD", "z1", "1", "a"}, []string{"DEL", "new"})
	w.held = w.checkData()
	b.arm(w.server.engine, p, 0, 0)
	w.callToPanic("", words, b)
	require.NoError(w.t, w.conns[""].Close())
	delete(w.conns, "")
}

// sequence makes each call of a transcript panic at a different point in each
// round, mostly in the middle, which not all calls reach.
var sequence = []point{inMiddle, atStart, inMiddle, atEnd}

// callToPanic is call without the checks that hold only where nothing panics.
func (w *checker) callToPanic(name string, words []string, b *bomb) {
	c := w.open(name)
	if c.owed || c.session.finished.Load() {
		return
	}
	w.context = fmt.Sprintf("%s> %q, panicking at %d", name, words, b.point)
	w.effects = nil
	muted := slices.ContainsFunc(slices.Collect(maps.Values(w.conns)), func(c *checkedConn) bool { return c.session.client.Muted() })
	_, err := c.Write(harness.Encode(words...))
	require.NoError(w.t, err)
	b.point = nowhere // no call is running
	values := w.drain(c)
	c.owed, c.mute = c.session.isBlocked.Load(), c.session.client.Muted()
	if b.went && !muted && !c.owed && !strings.EqualFold(words[0], "CLIENT") {
		// Within EXEC, or when a blocked call is served, it is another call's
		// reply.
		require.True(w.t, slices.ContainsFunc(values, isPanic) || w.othersPanicked(c), "%s: %v", w.context, values)
	} else {
		w.othersPanicked(c)
	}
	w.unpause()
	w.held = w.checkData()
}

// unpause ends a pause, in case the call that was to end it has panicked:
// reading the data is a call, too.
func (w *checker) unpause() {
	e := w.server.engine
	e.mu.Lock()
	e.state.Pause = commands.Pause{}
	e.followPause()
	e.mu.Unlock()
	w.othersPanicked(nil)
}

// othersPanicked reads what other clients were sent, and reports whether it was
// the error.
func (w *checker) othersPanicked(caller *checkedConn) (so bool) {
	for _, c := range w.conns {
		if c != caller {
			so = slices.ContainsFunc(w.drain(c), isPanic) || so
			c.owed = c.session.isBlocked.Load()
		}
	}
	return so
}

func isPanic(v resp.Value) bool {
	return v.Type == resp.TypeError && v.Str == string(errPanicked) || slices.ContainsFunc(v.Elems, isPanic)
}

// A blocked call whose handler panics gets the error, and does not stay
// blocked.
func TestPanicWhereAWaitingCallIsServed(t *testing.T) {
	w, b := newChecker(t, 2, time.Now()), new(bomb)
	b.rig(t, w.server.engine)
	waiter, giver := w.open("waiter"), w.open("giver")
	waiter.Write(harness.Encode("BZPOPMIN", "z", "0"))
	b.arm(w.server.engine, atEnd, 1, 0)
	giver.Write(harness.Encode("ZADD", "z", "1", "a", "2", "b"))
	require.True(t, b.went)
	require.Equal(t, "(integer) 2", w.drain(giver)[0].String())
	require.True(t, isPanic(w.drain(waiter)[0]))
	require.NoError(t, w.server.Check())
	w.held = w.checkData()
	waiter.Write(harness.Encode("ZRANGE", "z", "0", "-1"))
	require.Equal(t, `1) "b"`, w.drain(waiter)[0].String())
}

// A panic while keys expire does not keep other keys from expiring.
func TestPanicWhereKeysExpire(t *testing.T) {
	for name, expire := range map[string]func(w *checker){
		"by the alarm": func(w *checker) { w.clock.Advance(time.Second) },
		"before a call": func(w *checker) {
			w.server.engine.mu.Lock()
			w.server.engine.expiry.clear(w.server.engine.timers)
			w.server.engine.mu.Unlock()
			w.clock.Advance(time.Second)
			w.ask([]string{"SET", "x", "y"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, b := newChecker(t, 2, time.Now()), new(bomb)
			b.rig(t, w.server.engine)
			for _, call := range []string{"PSETEX a 10 v", "PSETEX b 1500 v", "HSET h f v g v", "HPEXPIRE h 2500 FIELDS 1 f", "HPEXPIRE h 3500 FIELDS 1 g", "SET x y"} {
				require.NoError(t, w.ask(strings.Fields(call))[0].Err())
			}
			b.inside = commands.Standard().Named([]byte("get")) // one event is enough
			for i := range 3 {
				b.arm(w.server.engine, inMiddle, -1, i%2) // each causes two events
				expire(w)
				require.True(t, b.went)
				require.NoError(t, w.server.Check())
			}
			expire(w)
			require.Equal(t, "(integer) 1", w.ask([]string{"DBSIZE"})[0].String())
			w.checkData()
		})
	}
}

func TestPanicInDo(t *testing.T) {
	w, b := newChecker(t, 2, time.Now()), new(bomb)
	b.rig(t, w.server.engine)
	for _, p := range []point{atStart, inMiddle, atEnd} {
		b.arm(w.server.engine, p, 0, 0)
		_, err := w.server.Do(context.Background(), "SET", "k", int(p))
		require.ErrorIs(t, err, errPanicked)
		require.NoError(t, w.server.Check())
		w.held = w.checkData()
	}
	_, err := w.server.Do(context.Background(), "GET", "k")
	require.NoError(t, err)
}

// A handler panics before it has stored a value that it changed in place: the
// value is repaired, its effect is emitted, and clients that watch the key are
// notified.
func TestPanicBeforeAChangeIsStored(t *testing.T) {
	for name, half := range map[string]func(c *commands.Context){
		"emptied": func(c *commands.Context) {
			h, _ := commands.Open[*datastructs.Hash](c, c.Args[1])
			for h.Len() > 0 {
				field, _ := h.At(0)
				h.Delete(slices.Clone(field))
			}
		},
		"shortened": func(c *commands.Context) {
			h, _ := commands.Open[*datastructs.Hash](c, c.Args[1])
			h.Delete([]byte("f"))
		},
		"with other deadlines": func(c *commands.Context) {
			h, _ := commands.Open[*datastructs.Hash](c, c.Args[1])
			h.SetDeadline([]byte("f"), c.Now+1000)
			h.ClearDeadline([]byte("g"))
		},
		"told too early": func(c *commands.Context) {
			c.EmitAs("HSET", c.Args[1], "other", "value")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newChecker(t, 2, time.Now())
			broken := func(rows []*commands.Command) (list []commands.Command) {
				for _, row := range rows {
					copied := *row
					if copied.Name == "hincrby" {
						copied.Run = func(c *commands.Context) error { half(c); panic(explosion) }
					}
					list = append(list, copied)
				}
				return list
			}
			s := &w.server.engine.state
			s.Table = commands.NewTable(broken(commands.Standard().Rows()))
			for _, call := range []string{"HSET h f 1 g 2", "HPEXPIRE h 5000 FIELDS 1 g", "SET k v"} {
				require.NoError(t, w.ask(strings.Fields(call))[0].Err())
			}
			w.held = w.checkData()
			watcher := w.open("watcher")
			for _, call := range []string{"WATCH h", "MULTI", "GET k"} {
				watcher.Write(harness.Encode(strings.Fields(call)...))
			}
			w.drain(watcher)
			w.effects = nil
			require.True(t, isPanic(w.ask([]string{"HINCRBY", "h", "f", "1"})[0]))
			require.NoError(t, w.server.Check())
			require.NotEmpty(t, w.effects)
			w.checkData()
			watcher.Write(harness.Encode("EXEC"))
			require.Equal(t, "(nil)", w.drain(watcher)[0].String())
		})
	}
}
