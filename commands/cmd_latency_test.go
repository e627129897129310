package commands_test

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
)

// took tells of calls of a command that took the given times.
func took(c *commands.Context, name string, times ...time.Duration) {
	m := c.Table.Named([]byte(name))
	for _, d := range times {
		c.Report(m, [][]byte{[]byte(name)}, commands.Outcome{}, d)
	}
}

func replied(t *testing.T, c *commands.Context, words ...string) resp.Value {
	t.Helper()
	c.Truncate(0)
	perform(t, c, words...)
	v, err := resp.Parse(c.Bytes())
	require.NoError(t, err)
	return v
}

// The limits of the distribution are those that Redis gives: 1, 2, 4, 8, 16, 33, 66, ...
func TestLatencyHistogram(t *testing.T) {
	c := emptyServer(3)
	took(c, "get", 0, 1000, 1031, 1032, 2*time.Microsecond, 30*time.Microsecond, 65*time.Microsecond, 600*time.Millisecond, time.Hour, math.MaxInt64)
	v := replied(t, c, "LATENCY", "HISTOGRAM", "GET", "nosuch", "set")
	require.Equal(t, resp.TypeMap, v.Type)
	require.Len(t, v.Elems, 2)
	require.Equal(t, "get", v.Elems[0].Str)
	got := fields(v.Elems[1])
	require.Equal(t, int64(10), got["calls"].Int)
	require.Equal(t, []string{"1", "3", "2", "5", "33", "6", "66", "7", "1073741", "10"}, got["histogram_usec"].Strings())

	took(c, "client|id", 5*time.Microsecond)
	require.Equal(t, "client|id", replied(t, c, "LATENCY", "HISTOGRAM", "client").Elems[0].Str)
	require.Len(t, replied(t, c, "LATENCY", "HISTOGRAM").Elems, 4)
	require.Len(t, replied(t, c, "LATENCY", "HISTOGRAM", "get", "get").Elems, 4)
	replied(t, c, "CONFIG", "RESETSTAT")
	require.Empty(t, replied(t, c, "LATENCY", "HISTOGRAM").Elems)

	replied(t, c, "CONFIG", "SET", "latency-tracking", "no")
	took(c, "get", 1)
	require.Empty(t, replied(t, c, "LATENCY", "HISTOGRAM").Elems)
}

// Percentiles are those of the durations themselves, to two significant digits
// and upwards, as HdrHistogram gives them.
func TestLatencyPercentiles(t *testing.T) {
	c := emptyServer(3)
	replied(t, c, "CONFIG", "SET", "latency-tracking-info-percentiles", "0 10 50 99 99.9 100")
	var times []time.Duration
	for i := range 10_000 {
		times = append(times, time.Duration(i*i*7+1))
	}
	took(c, "get", times...)
	line := ""
	for l := range strings.Lines(replied(t, c, "INFO", "latencystats").Str) {
		if rest, ok := strings.CutPrefix(l, "latency_percentiles_usec_get:"); ok {
			line = strings.TrimSpace(rest)
		}
	}
	texts := strings.Split(line, ",")
	require.Len(t, texts, 6)
	slices.Sort(times)
	for _, text := range texts {
		name, value, _ := strings.Cut(text, "=")
		p, err := strconv.ParseFloat(name[1:], 64)
		require.NoError(t, err)
		micros, err := strconv.ParseFloat(value, 64)
		require.NoError(t, err)
		exact := float64(times[max(0, min(len(times)-1, int(p/100*float64(len(times))+0.5)-1))]) / 1000
		require.InDelta(t, exact, micros, exact/100+0.001, text)
	}

	// What Redis said of a single call of 13 µs, 75 µs and 1.003 µs.
	for d, want := range map[time.Duration]string{13000: "13.055", 75000: "75.263", 1000: "1.003", 255: "0.255", 0: "0.001"} {
		replied(t, c, "CONFIG", "RESETSTAT")
		took(c, "get", d)
		require.Contains(t, replied(t, c, "INFO", "latencystats").Str, "p50="+want+",")
	}
}

// Reads run side by side, and each counts.
func TestLatencyOfManyAtOnce(t *testing.T) {
	c := emptyServer(3)
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			own := *c
			took(&own, "get", slices.Repeat([]time.Duration{10, 100_000, 10_000_000}, 1000)...)
		})
	}
	done.Wait()
	require.Equal(t, int64(24_000), fields(replied(t, c, "LATENCY", "HISTOGRAM", "get").Elems[1])["calls"].Int)
}

func TestLatencyMonitor(t *testing.T) {
	c := emptyServer(3)
	at := func(second int64) { c.Begin(c.Client, (1_700_000_000+second)*1e6) }
	took(c, "config|get", time.Hour) // it is off
	require.Empty(t, replied(t, c, "LATENCY", "LATEST").Elems)
	require.Contains(t, replied(t, c, "LATENCY", "DOCTOR").Str, "is off")

	replied(t, c, "CONFIG", "SET", "latency-monitor-threshold", "20")
	require.Contains(t, replied(t, c, "LATENCY", "DOCTOR").Str, "Nothing has taken 20 ms or more")
	const ms = time.Millisecond
	at(1)
	took(c, "config|get", 19*ms, 20*ms, 50*ms, 30*ms)
	at(3)
	took(c, "config|get", 40*ms)
	took(c, "get", 25*ms)
	c.ReportExpiry(21*ms, true)
	require.Equal(t, "1) 1) \"command\"\n   2) (integer) 1700000003\n   3) (integer) 40\n   4) (integer) 50\n"+
		"2) 1) \"expire-cycle\"\n   2) (integer) 1700000003\n   3) (integer) 21\n   4) (integer) 21\n"+
		"3) 1) \"fast-command\"\n   2) (integer) 1700000003\n   3) (integer) 25\n   4) (integer) 25", replied(t, c, "LATENCY", "LATEST").String())
	require.Equal(t, []string{"1700000001", "50", "1700000003", "40"}, pairsOf(replied(t, c, "LATENCY", "HISTORY", "command")))
	require.Contains(t, replied(t, c, "LATENCY", "DOCTOR").Str, "2 samples in 2 s, on average 45 ms, at most 50 ms")
	require.Equal(t, int64(1), replied(t, c, "LATENCY", "RESET", "command", "nosuch").Int)
	require.Equal(t, int64(2), replied(t, c, "LATENCY", "RESET").Int)

	for i := range int64(200) {
		at(i)
		took(c, "config|get", time.Duration(100+i)*ms)
	}
	require.Len(t, replied(t, c, "LATENCY", "HISTORY", "command").Elems, 160, "the last are kept")
}

func pairsOf(v resp.Value) (list []string) {
	for _, e := range v.Elems {
		list = append(list, e.Strings()...)
	}
	return list
}

// As a real Redis drew these samples.
func TestLatencyGraph(t *testing.T) {
	c := emptyServer(3)
	replied(t, c, "CONFIG", "SET", "latency-monitor-threshold", "1")
	for i, ms := range []time.Duration{20, 30, 40, 50, 60, 72, 80, 20} {
		c.Begin(c.Client, int64(1_700_000_000+i)*1e6)
		took(c, "config|get", ms*time.Millisecond)
	}
	c.Begin(c.Client, 1_700_000_008*1e6)
	require.Equal(t, "command - high 80 ms, low 20 ms (all time high 80 ms)\n"+strings.Repeat("-", 80)+`
     o# 
   _#|| 
  o|||| 
_#|||||_
        
87654321
ssssssss
`, replied(t, c, "LATENCY", "GRAPH", "command").Str)

	// Samples of one height, in more than one strip.
	replied(t, c, "LATENCY", "RESET")
	for i := range 90 {
		c.Begin(c.Client, int64(1_700_000_000+i)*1e6)
		took(c, "config|get", 5*time.Millisecond)
	}
	lines := strings.Split(replied(t, c, "LATENCY", "GRAPH", "command").Str, "\n")
	require.Equal(t, strings.Repeat("_", 80), lines[5])
	require.Equal(t, strings.Repeat("_", 10), lines[14])
}
