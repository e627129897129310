package server

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/datastructs/rdb"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/transcript"
)

// A moment is a snapshot, with copies of all that the server held then.
type moment struct {
	*commands.Snapshot
	copies []*datastructs.Keyspace
}

func takeMoment(s *Server) (m moment) {
	s.Inspect(func(state *commands.State) {
		m.Snapshot = state.Snapshot()
		for _, db := range state.Databases {
			held := new(datastructs.Keyspace)
			for key, v := range db.All() {
				held.Put([]byte(key), v.Clone(), 0)
				if at, ok := db.Deadline([]byte(key)); ok {
					held.SetDeadline([]byte(key), at)
				}
			}
			m.copies = append(m.copies, held)
		}
	})
	return m
}

// picture tells all that databases hold at a time: what values are made of, their
// encodings, and all deadlines.
func picture(databases []*datastructs.Keyspace, now int64) (lines []string) {
	for i, db := range databases {
		for key := range db.All() {
			v := db.Peek([]byte(key), now)
			if v == nil {
				continue
			}
			at, hasDeadline := db.Deadline([]byte(key))
			line := fmt.Sprintf("%d %q %s %q %d %t", i, key, v.Encoding(), rdb.Append(nil, v), at, hasDeadline)
			if h, ok := v.(*datastructs.Hash); ok {
				for field := range h.All() {
					if at, ok := h.Deadline(field); ok {
						line += fmt.Sprintf(" %q:%d", field, at)
					}
				}
			}
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

func restoreMoment(t testing.TB, s *Server, m moment) {
	t.Helper()
	var want, got []string
	require.NoError(t, s.Exec(func(c *commands.Context) {
		require.NoError(t, c.Restore(m.Snapshot))
		want, got = picture(m.copies, c.Now), picture(c.Databases, c.Now)
	}))
	if !slices.Equal(want, got) {
		t.Fatalf("restored:\n%s", difference(want, got))
	}
}

// coarse are calls that change much at once, which the rows alone seldom make.
func (g *generator) coarse() [][]string {
	switch g.IntN(6) {
	case 0:
		return [][]string{{"FLUSHDB"}}
	case 1:
		return [][]string{{"FLUSHALL"}}
	case 2, 3:
		return [][]string{{"SWAPDB", strconv.Itoa(g.IntN(randomDatabases)), strconv.Itoa(g.IntN(randomDatabases))}}
	case 4:
		return [][]string{{"CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", "1"}, {"DBSIZE"}, {"CONFIG", "SET", "maxmemory", "0"}}
	}
	hash, deadlines := []string{"HSET", "h1"}, []string{"HPEXPIRE", "h1", strconv.Itoa(1 + g.IntN(500)), "FIELDS", "400"}
	for i := range 600 {
		hash = append(hash, "field "+strconv.Itoa(i), "v")
		if i < 400 {
			deadlines = append(deadlines, "field "+strconv.Itoa(i))
		}
	}
	return [][]string{{"DEL", "h1"}, hash, deadlines}
}

// Whatever happens between a snapshot and its Restore, all is as it was, but for what
// has expired by the clock; so it is with several snapshots, in any order, some of
// which have been released.
func TestRestoreGivesBackWhatThereWas(t *testing.T) {
	calls := harness.Count(2_000, 12_000)
	for seed := range uint64(4) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			w, g := newChecker(t, 3, time.Now()), newGenerator(seed)
			w.server.engine.state.Effects = nil
			rewindAtRandom(t, w, g, calls, func(s transcript.Step) {
				if s.Pause > 0 {
					w.clock.Advance(s.Pause)
					return
				}
				if c := w.open(s.Conn); !c.session.isBlocked.Load() && !c.session.finished.Load() {
					c.Write(harness.Encode(s.Words...))
				}
				for _, c := range w.conns {
					w.drain(c)
				}
			}, func(m moment) { restoreMoment(t, w.server, m) })
		})
	}
}

// What a Restore amounts to gives the same data to who follows the effects.
func TestRestoreHasEffects(t *testing.T) {
	for _, seed := range []uint64{11, 12} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			w := newChecker(t, 2, time.Now())
			rewindAtRandom(t, w, newGenerator(seed), 400, func(s transcript.Step) { w.do(s) }, func(m moment) {
				w.context, w.effects = "Restore", nil
				restoreMoment(t, w.server, m)
				w.checkOthers(nil)
				w.held = w.checkData()
			})
		})
	}
}

func rewindAtRandom(t *testing.T, w *checker, g *generator, calls int, do func(transcript.Step), restore func(moment)) {
	var kept []moment
	restored := 0
	for range calls {
		switch {
		case g.one(60):
			for _, words := range g.coarse() {
				do(transcript.Step{Words: words})
			}
		case g.one(40) && len(kept) < 6:
			kept = append(kept, takeMoment(w.server))
		case g.one(40) && len(kept) > 0:
			restore(pick(g, kept...))
			restored++
		case g.one(60) && len(kept) > 0:
			i := g.IntN(len(kept))
			kept[i].Release()
			kept = slices.Delete(kept, i, i+1)
		default:
			do(g.step())
		}
		if g.one(100) {
			require.NoError(t, w.server.Check())
		}
	}
	require.NoError(t, w.server.Check())
	require.Greater(t, restored, calls/200)
	for _, m := range kept {
		restore(m)
		m.Release()
	}
	w.server.Inspect(func(s *commands.State) {
		require.Equal(t, len(s.Databases), countUntouched(s))
	})
}

// countUntouched counts the databases that nobody remembers the past of.
func countUntouched(s *commands.State) (n int) {
	for _, db := range s.Databases {
		if !db.HasLayers() {
			n++
		}
	}
	return n
}

func TestSnapshotOfAnotherServerOrReleasedIsRefused(t *testing.T) {
	t.Parallel()
	a, b := newClosed(t, Options{}), newClosed(t, Options{})
	m := takeMoment(a)
	try := func(s *Server) (err error) {
		require.NoError(t, s.Exec(func(c *commands.Context) { err = c.Restore(m.Snapshot) }))
		return err
	}
	require.ErrorContains(t, try(b), "of another server")
	require.NoError(t, try(a))
	m.Release()
	m.Release()
	require.ErrorContains(t, try(a), "released")
}

// A Restore does to each key that differs what a client would have done, and nothing to others.
func TestRestoreTouchesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	w := newChecker(t, 3, time.Now())
	for _, words := range [][]string{
		{"SET", "same", "1"}, {"SET", "changed", "1"}, {"SET", "back", "1"}, {"SET", "gone", "1", "PX", "5000"}, {"ZADD", "z", "1", "a"},
		{"CONFIG", "SET", "notify-keyspace-events", "Eg$nz"},
	} {
		w.call("", words)
	}
	m := takeMoment(w.server)
	for _, words := range [][]string{
		{"SET", "changed", "2"}, {"SET", "back", "2"}, {"SET", "back", "1"}, {"DEL", "gone"}, {"SET", "new", "1"}, {"DEL", "z"},
	} {
		w.call("", words)
	}
	w.call("a", []string{"WATCH", "changed"})
	w.call("b", []string{"WATCH", "back"})
	w.call("c", []string{"PSUBSCRIBE", "__keyevent*"})
	w.call("d", []string{"BZPOPMIN", "z", "0"})
	w.effects = nil
	again := func() error {
		var err error
		require.NoError(t, w.server.Exec(func(c *commands.Context) { err = c.Restore(m.Snapshot) }))
		return err
	}
	require.NoError(t, again())
	var told []string
	for _, e := range w.effects {
		told = append(told, strings.Join(e.words[:2], " "))
	}
	require.Equal(t, []string{"RESTORE changed", "RESTORE gone", "DEL new", "RESTORE z", "ZREM z"}, told, "what waited for z has taken it")
	var events []string
	for _, v := range w.drain(w.open("c")) {
		events = append(events, strings.TrimPrefix(v.Elems[2].Str, "__keyevent@0__:")+" "+v.Elems[3].Str)
	}
	require.Equal(t, []string{"new changed", "restore changed", "new gone", "restore gone", "del new", "new z", "restore z", "zpopmin z", "del z"}, events)
	w.held, w.effects = dump(w.ask), nil
	for conn, want := range map[string]string{"a": "(nil)", "b": "(empty array)"} {
		w.call(conn, []string{"MULTI"})
		values, _ := w.call(conn, []string{"EXEC"})
		require.Equal(t, want, values[0].String(), conn)
	}
	require.NoError(t, again(), "once more, of what those who waited have taken")
	w.held, w.effects = dump(w.ask), nil
	values, _ := w.call("", []string{"ZRANGE", "z", "0", "-1"})
	require.Equal(t, []string{"a"}, values[0].Strings())
}

// A snapshot costs the same whatever there is.
func BenchmarkSnapshot(b *testing.B) {
	for _, keys := range []int{1, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			s := newClosed(b, Options{})
			fill(s, keys)
			runtime.GC()
			for b.Loop() {
				s.Inspect(func(state *commands.State) { state.Snapshot().Release() })
			}
		})
	}
}

func BenchmarkRestoreAfterTenChanges(b *testing.B) {
	for _, keys := range []int{10, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			s := newClosed(b, Options{})
			fill(s, keys)
			m := moment{}
			s.Inspect(func(state *commands.State) { m.Snapshot = state.Snapshot() })
			for b.Loop() {
				s.Exec(func(c *commands.Context) {
					set, _ := c.Table.Find([][]byte{[]byte("set")})
					for i := range 10 {
						c.Perform(set, [][]byte{[]byte("SET"), []byte("key:" + strconv.Itoa(i)), []byte("other")})
					}
					c.Restore(m.Snapshot)
				})
			}
		})
	}
}

func fill(s *Server, keys int) {
	s.Inspect(func(state *commands.State) {
		for i := range keys {
			state.Databases[0].Put([]byte("key:"+strconv.Itoa(i)), datastructs.NewString([]byte("some value")), 0)
		}
	})
}

// What a write costs with no snapshot, and with one.
func BenchmarkSetUnderASnapshot(b *testing.B) {
	for _, taken := range []bool{false, true} {
		b.Run(fmt.Sprintf("taken=%t", taken), func(b *testing.B) {
			s := newClosed(b, Options{})
			fill(s, 1000)
			var calls []byte
			for i := range 1000 {
				calls = append(calls, harness.Encode("SET", "key:"+strconv.Itoa(i), "other")...)
			}
			conn, err := s.Dial()
			require.NoError(b, err)
			defer conn.Close()
			if taken {
				s.Inspect(func(state *commands.State) { state.Snapshot() })
			}
			replies := make([]byte, 1<<16)
			for b.Loop() {
				conn.Write(calls)
				for n := 0; n < 5*1000; {
					k, _ := conn.Read(replies)
					n += k
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/SET")
		})
	}
}
