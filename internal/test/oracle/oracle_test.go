package oracle_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/test/oracle"
	"github.com/stretchr/testify/require"
)

var (
	calls    = flag.Int("oracle.n", 2000, "how many random calls are compared, in each protocol")
	seed     = flag.Uint64("oracle.seed", 1, "seed of the random calls; 0: a random one")
	failures = flag.Int("oracle.failures", 1, "differences after which to stop")
)

// segment is how many calls run on the same data.
const segment = 5000

// shrinking is how long a difference is made smaller.
const shrinking = 40 * time.Second

// TestOracle runs random calls on a real Redis and on parley: no reply and no
// data may differ.
func TestOracle(t *testing.T) {
	start := pickSeed()
	fmt.Printf("oracle: -oracle.n=%d -oracle.seed=%d\n", *calls, start)
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", protocol), func(t *testing.T) {
			t.Parallel()
			compare(t, [2]oracle.Side{oracle.Redis(t), oracle.Parley(t)}, protocol, start)
		})
	}
}

// TestOracleWithFullMemory makes the calls where there is no memory to be had: what
// is refused, and before which other errors, is the same.
func TestOracleWithFullMemory(t *testing.T) {
	start := pickSeed()
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", protocol), func(t *testing.T) {
			t.Parallel()
			sides := [2]oracle.Side{
				oracle.RedisWith(t, "--maxmemory", "1"),
				oracle.ParleyWith(t, map[string]string{"maxmemory": "1"}),
			}
			calls := slices.DeleteFunc(script(*calls, start, 0), oracle.Call.Waits) // for what never comes
			if err := oracle.Run(sides, protocol, calls); err != nil {
				report(t, err, sides, protocol, calls)
				t.Logf("in -oracle.seed=%d", start)
			}
		})
	}
}

// TestRedisAgreesWithItself holds the oracle against two Redis servers: what it
// finds there is its own fault.
func TestRedisAgreesWithItself(t *testing.T) {
	start := pickSeed()
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", protocol), func(t *testing.T) {
			t.Parallel()
			compare(t, [2]oracle.Side{oracle.Redis(t), oracle.Redis(t)}, protocol, start)
		})
	}
}

// TestOracleFindsFaults checks that the oracle finds differences: one side
// confuses seconds with milliseconds, and the script that shows it is short.
func TestOracleFindsFaults(t *testing.T) {
	right, wrong := oracle.Parley(t), oracle.Parley(t)
	dial := wrong.Dial
	wrong.Dial = func() (net.Conn, error) {
		c, err := dial()
		return faulty{c}, err
	}
	sides := [2]oracle.Side{right, wrong}
	script := script(2000, 1, 0)
	require.ErrorAs(t, oracle.Run(sides, 3, script), new(*oracle.Difference))
	small, _ := oracle.Shrink(sides, 3, script, 5*time.Minute)
	require.LessOrEqual(t, len(small), 3, "%v", small)
	require.Contains(t, fmt.Sprint(small), "PEXPIREAT")
}

type faulty struct{ net.Conn }

func (f faulty) Write(p []byte) (int, error) {
	wrong := bytes.ReplaceAll(p, []byte("$9\r\nPEXPIREAT\r\n"), []byte("$8\r\nEXPIREAT\r\n"))
	_, err := f.Conn.Write(wrong)
	return len(p), err
}

// TestOracleFindsLostInvalidations: one side sends a caching client no
// invalidations of keys that have changed.
func TestOracleFindsLostInvalidations(t *testing.T) {
	for _, lost := range []struct{ name, call, wrong string }{
		{"broadcast", "*4\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n$5\r\nBCAST\r\n",
			"*6\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n$5\r\nBCAST\r\n$6\r\nPREFIX\r\n$1\r\nz\r\n"},
		{"read", "*3\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n",
			"*4\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n$5\r\nOPTIN\r\n"},
	} {
		t.Run(lost.name, func(t *testing.T) {
			right, wrong := oracle.Parley(t), oracle.Parley(t)
			dial := wrong.Dial
			wrong.Dial = func() (net.Conn, error) {
				c, err := dial()
				return deaf{c, []byte(lost.call), []byte(lost.wrong)}, err
			}
			err := oracle.Run([2]oracle.Side{right, wrong}, 3, script(1500, 1, 0))
			require.ErrorAs(t, err, new(*oracle.Difference))
			require.ErrorContains(t, err, "invalid only here")
		})
	}
}

// deaf makes a client track less than it should.
type deaf struct {
	net.Conn
	call, wrong []byte
}

func (d deaf) Write(p []byte) (int, error) {
	_, err := d.Conn.Write(bytes.ReplaceAll(p, d.call, d.wrong))
	return len(p), err
}

func pickSeed() uint64 {
	if *seed != 0 {
		return *seed
	}
	return uint64(rand.Uint32())
}

func compare(t *testing.T, sides [2]oracle.Side, protocol int, start uint64) {
	begun := time.Now()
	for n, stream, found := *calls, uint64(0), 0; n > 0; n, stream = n-segment, stream+1 {
		script := script(min(n, segment), start, stream)
		err := oracle.Run(sides, protocol, script)
		if err == nil {
			continue
		}
		report(t, err, sides, protocol, script)
		t.Logf("in -oracle.seed=%d, part %d", start, stream)
		if found++; found == *failures {
			break
		}
	}
	t.Logf("seed %d: %.0f calls/s", start, float64(*calls)/time.Since(begun).Seconds())
}

func report(t *testing.T, err error, sides [2]oracle.Side, protocol int, script []oracle.Call) {
	t.Errorf("RESP%d: %v", protocol, err)
	if d := (*oracle.Difference)(nil); errors.As(err, &d) {
		small, _ := oracle.Shrink(sides, protocol, script, shrinking)
		t.Logf("the smallest script found:\n%s", oracle.Transcript(sides, protocol, small))
	}
}

func script(n int, seed, stream uint64) []oracle.Call {
	g := oracle.NewGenerator(commands.Standard(), seed, stream)
	list := make([]oracle.Call, n)
	for i := range list {
		list[i] = g.Next()
	}
	return list
}
