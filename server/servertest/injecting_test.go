package servertest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server/servertest"
)

// A fault that applied to nothing fails the test, and the failure has the
// fault's text.
func TestFaultThatStrikesNothingFailsTheTest(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]string{
		"command=get key=nothing error=OOM":           "servertest: the fault applied to nothing: command=get key=nothing error=OOM",
		"command=get key=nothing error=OOM may-miss":  "",
		"command=get key=nothing error=OOM chance=.5": "",
		"command=get error=OOM":                       "",
	} {
		f := &fakeTest{TB: t}
		s := servertest.New(f)
		parsed, err := servertest.ParseFault(fault)
		require.NoError(t, err)
		s.Inject(parsed)
		_, err = s.Do(t.Context(), "GET", "k")
		require.Equal(t, fault == "command=get error=OOM", err != nil)
		require.Equal(t, want, f.end(), fault)
	}
}

// With the same seed a fault applies to the same calls of each client, however
// the calls of several clients interleave.
func TestSeedDecidesWhichCallsAreStruck(t *testing.T) {
	t.Parallel()
	struck := func(seed uint64, turns func(n int) int) [2]string {
		s := servertest.New(t, func(o *servertest.Options) { o.Seed = seed })
		s.Inject(servertest.Fault{Command: "incr", Chance: 0.4, Error: "ERR struck"})
		clients, got := []*harness.Client{dialAs(t, s, "a"), dialAs(t, s, "b")}, [2]string{}
		for n := range 60 {
			i := turns(n)
			clients[i].Send(fmt.Sprint("INCR n", i))
			line, err := clients[i].R.ReadString('\n')
			require.NoError(t, err)
			got[i] += line[:1]
		}
		return got
	}
	inTurn, oneAfterTheOther := func(n int) int { return n % 2 }, func(n int) int { return n / 30 }
	first := struck(1, inTurn)
	require.Equal(t, first, struck(1, oneAfterTheOther))
	require.NotEqual(t, first, struck(2, inTurn))
	require.NotEqual(t, first[0], first[1])
}
