package servertest_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/testkit"
	"github.com/parley-chat/parley/server/servertest"
)

const fixture = `
# Who is there.
HSET user:1 name Ada language en
SADD online 1
SET session:1 "a b" PX 30000
SELECT 1
ZADD seen 1.5 1
`

func TestSubtestsBeginWithTheSameData(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Load(fixture)
	snap := s.Snapshot()
	for _, name := range []string{"leaves", "is renamed"} {
		t.Run(name, func(t *testing.T) {
			s.Restore(snap)
			s.RequireUnchanged(snap)
			switch name {
			case "leaves":
				s.DB(0).SRem("online", "1")
				s.DB(0).Do("FLUSHDB")
				s.DB(0).Do("SWAPDB", "0", "1")
			default:
				s.DB(0).HSet("user:1", "name", "Grace")
				s.RequireChanges(`
					- HSET user:1 name Ada
					+ HSET user:1 name Grace`, snap)
			}
		})
	}
}

func TestDiffIsInTheWordsOfDump(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Load(fixture)
	before := s.Snapshot()
	require.Empty(t, s.Diff(before, nil))
	s.Advance(time.Second)
	require.Empty(t, s.Diff(before, nil), "time that passes is no change")
	s.DB(0).SAdd("online", "2", "3")
	s.DB(0).Do("HPEXPIRE", "user:1", "500", "FIELDS", "1", "language")
	s.DB(1).ZAdd("seen", servertest.Member{Member: "1", Score: 2.5})
	middle := s.Snapshot()
	s.DB(0).Do("PEXPIRE", "session:1", "60000")
	s.DB(1).Del("seen")
	require.Equal(t, `
+ SADD online 2
+ SADD online 3
- PEXPIRE session:1 29000
+ PEXPIRE session:1 60000
+ HPEXPIRE user:1 500 FIELDS 1 language
  SELECT 1
- ZADD seen 1.5 1
`[1:], s.Diff(before, nil))
	require.Equal(t, `
+ SADD online 2
+ SADD online 3
+ HPEXPIRE user:1 500 FIELDS 1 language
  SELECT 1
- ZADD seen 1.5 1
+ ZADD seen 2.5 1
`[1:], s.Diff(before, middle))
	require.Equal(t, `
- PEXPIRE session:1 60000
+ PEXPIRE session:1 29000
  SELECT 1
+ ZADD seen 2.5 1
`[1:], s.Diff(s.Snapshot(), middle), "backwards")
	s.Advance(time.Minute + time.Second)
	require.Equal(t, `
- SET session:1 "a b"
- PEXPIRE session:1 -32000
- HSET user:1 language en
- HPEXPIRE user:1 -60500 FIELDS 1 language
  SELECT 1
- ZADD seen 2.5 1
`[1:], s.Diff(middle, nil))

	s.DB(0).Do("SWAPDB", "0", "1")
	require.Contains(t, s.Diff(middle, nil), "- SADD online 1\n")
	require.Contains(t, s.Diff(middle, nil), "\n+ HSET user:1 name Ada\n")
}

// Fatal and Fatalf end the goroutine.
func (f *fakeTest) Fatal(args ...any) { f.Fatalf("%s", fmt.Sprint(args...)) }

func (f *fakeTest) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

func TestWhatIsRequiredOfTheDataFailsTheTest(t *testing.T) {
	t.Parallel()
	f := &fakeTest{TB: t}
	s := servertest.New(f)
	s.Load(fixture)
	s.RequireDump(fixture)
	s.RequireDump(s.Dump())
	snap := s.Snapshot()
	s.DB(0).HSet("user:1", "name", "Grace")
	ends := func(do func()) string {
		f.failures = nil
		done := make(chan struct{})
		go func() { defer close(done); do() }()
		<-done
		return strings.Join(f.failures, "\n")
	}
	require.Equal(t, "servertest: the data has changed since the snapshot:\n- HSET user:1 name Ada\n+ HSET user:1 name Grace\n",
		ends(func() { s.RequireUnchanged(snap) }))
	require.Equal(t, "servertest: want these changes since the snapshot:\n\n\nnot these:\n- HSET user:1 name Ada\n+ HSET user:1 name Grace",
		ends(func() { s.RequireChanges("", snap) }))
	require.Equal(t, "servertest: the data differs (-: want, +: got):\n- HSET user:1 name Ada\n+ HSET user:1 name Grace\n",
		ends(func() { s.RequireDump(fixture) }))
	require.Equal(t, "servertest: line 1: HSET: "+commands.ErrWrongType.Error()+"; online is a set",
		ends(func() { s.Load("HSET online f v") }))
	snap.Release()
	require.Contains(t, ends(func() { s.Restore(snap) }), "released")
	f.failures = nil
	require.Empty(t, f.end())
}

func TestLoadIsAllOrNothing(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Load(fixture)
	before := s.Dump()
	for text, want := range map[string]string{
		"SET k v\n\n# comment\nHSET online f v": "servertest: line 4: HSET: WRONGTYPE Operation against a key holding the wrong kind of value; online is a set",
		"FLUSHALL\nSET k":                       "servertest: line 2: SET: ERR wrong number of arguments for 'set' command",
		"SET k v\nGET k":                        "servertest: line 2: GET changes no data, or blocks: Load does not run it",
		"BZPOPMIN k 0":                          "servertest: line 1: BZPOPMIN changes no data, or blocks: Load does not run it",
		"SET k \"v":                             "servertest: line 1: unbalanced quotes, or a NUL that is not written \\x00",
		"SET k \x00":                            "servertest: line 1: unbalanced quotes, or a NUL that is not written \\x00",
		"SWAPDB 0 1\nSELECT 16":                 "servertest: line 2: SELECT: there is no database 16 of 16",
		"SELECT x":                              "servertest: line 1: SELECT: there is no database x of 16",
		"SELECT":                                "servertest: line 1: SELECT takes the number of a database",
		"HPEXPIRE online 0 FIELDS 1 f":          "servertest: line 1: HPEXPIRE: WRONGTYPE Operation against a key holding the wrong kind of value; online is a set",
		"SUBSCRIBE c":                           "servertest: line 1: SUBSCRIBE: it needs a connection of its own: see Dial",
		"MULTI":                                 "servertest: line 1: MULTI: it needs a connection of its own: see Dial",
		"SHUTDOWN":                              "servertest: line 1: SHUTDOWN changes no data, or blocks: Load does not run it",
		"EXEC":                                  "servertest: line 1: EXEC: it needs a connection of its own: see Dial",
		"nonsense":                              "servertest: line 1: nonsense: ERR unknown command 'nonsense', with args beginning with: ",
		"DEL user:1 online\nSET session:1 x\nZADD seen 1 1 2 ": "servertest: line 3: ZADD: ERR syntax error",
	} {
		err := s.Kit.Load(text)
		require.EqualError(t, err, want)
		require.Equal(t, before, s.Dump(), text)
	}
}

// Loading a dump creates the same data, and so the same dump, on any server.
func TestDumpIsLossless(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Load("SET k v PX 5000\nHSET h f v g w\nHPEXPIRE h 5000 FIELDS 1 f\nSET \"\" \"\\x00 '\\\"\\\\ \\xff ü\"\nSADD # #\nZADD z 1e-7 a -inf b 123456789012345678 c")
	for _, left := range []time.Duration{0, 4999 * time.Millisecond, time.Millisecond} {
		s.Advance(left)
		text := s.Dump()
		other := servertest.New(t)
		other.Load(text)
		require.Equal(t, text, other.Dump())
		s.RequireDump(text)
		s.Load("FLUSHALL\n" + text)
		require.Equal(t, text, s.Dump())
	}
	require.Contains(t, s.Dump(), "PEXPIRE k 0\n", "the last millisecond")
	s.Advance(time.Millisecond)
	require.NotContains(t, s.Dump(), "EXPIRE")
	require.NotContains(t, s.Dump(), "SET h f")
}

func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		fixture, "FLUSHALL\nSWAPDB 0 1\nSELECT 1\nSET k v\n", "HSET h f v\nHPEXPIRE h 0 FIELDS 1 f\n", "PEXPIRE k 0", "SET k \"\\x00\" # no comment",
		"SELECT\r\n", "'", "\"\"", "SPOP s 10\nSINTERSTORE a b c\nRENAME a b\nCOPY a b DB 1\nMOVE a 3\n", "RESTORE k 0 x", "EXEC\nWATCH", "DEBUG SLEEP 1",
	} {
		f.Add(text)
	}
	s, err := testkit.New(rigOptions())
	require.NoError(f, err)
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToUpper(text), "SETRANGE") {
			return // makes strings of half a gigabyte
		}
		require.NoError(t, s.Load("FLUSHALL"))
		before, err := s.Dump()
		require.NoError(t, err)
		if s.Load(text) != nil {
			after, err := s.Dump()
			require.NoError(t, err)
			require.Equal(t, before, after)
			return
		}
		once, err := s.Dump()
		require.NoError(t, err)
		require.NoError(t, s.Load("FLUSHALL\n"+once))
		twice, err := s.Dump()
		require.NoError(t, err)
		require.Equal(t, once, twice)
		require.NoError(t, s.Check())
	})
}

// A snapshot that is garbage costs nothing.
func TestSnapshotThatIsGarbageIsReleased(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Snapshot()
	layered := func() (any bool) {
		testkit.Inspect(s.Kit, func(state *commands.State) { any = state.Databases[0].HasLayers() })
		return any
	}
	harness.Until(t, "it is released", func() bool {
		runtime.GC()
		return !layered()
	})
}

func ExampleServer_Diff() {
	s, _ := testkit.New(rigOptions())
	defer s.Close()
	s.Load("HSET user:1 name Ada\nSADD online 1")
	before := s.Snapshot()
	s.DB(0).HSet("user:1", "name", "Grace")
	s.DB(0).SAdd("online", "2")
	changes, _ := s.Diff(before, nil)
	fmt.Print(changes)
	s.Restore(before)
	text, _ := s.Dump()
	fmt.Print(text)
	// Output:
	// + SADD online 2
	// - HSET user:1 name Ada
	// + HSET user:1 name Grace
	// SADD online 1
	// HSET user:1 name Ada
}
