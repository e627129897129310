package server_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/redistest"
)

var fairness = flag.Duration("fairness", 0, "how long each run of TestFairness takes beside redis-server; 0: it is skipped")

// A load is what eight hostile clients send, as fast as they can, in pipelines
// of ten thousand.
var loads = []struct{ name, call string }{
	{"nothing", ""},
	{"reads", "GET key:__rand_int__"},
	{"writes", "SET key:__rand_int__ value"},
	{"large replies", "ZRANGE zset 0 999"},
	{"long reads", "SINTERCARD 2 set set2"},
	{"long writes", "SINTERSTORE tmp set set2"},
	{"messages", "PUBLISH channel x"},
}

// TestFairness times an honest client, which asks and waits for the answer,
// beside hostile ones, on parley and on redis-server in turns.
func TestFairness(t *testing.T) {
	if *fairness == 0 {
		t.Skip("needs -fairness and a quiet machine")
	}
	binary := t.TempDir() + "/parley"
	out, err := exec.Command("go", "build", "-o", binary, "../cmd/parley").CombinedOutput()
	require.NoError(t, err, string(out))
	ours := startParley(t, binary)
	redis := redistest.Start(t).Socket()
	for _, socket := range []string{ours, redis} {
		k := &rival{t: t, n: 10_000, dial: func() (net.Conn, error) { return net.Dial("unix", socket) }}
		c := k.open()
		c.prepare([]string{"load n ZADD zset # member:#", "SET mine 1"})
		k.n = 500
		c.prepare([]string{"load n SADD set member:#", "load n SADD set2 member:#"})
		c.Close()
	}
	fmt.Fprintf(os.Stderr, "%-14s %-5s | %8s %8s %8s %9s | %8s %8s %8s %9s\n", "hostile", "own", "p50", "p99", "max", "loads/s", "R p50", "R p99", "R max", "R loads/s")
	for _, l := range loads {
		for _, own := range []string{"GET mine", "SET mine 1"} {
			a := honest(t, ours, l.call, own)
			b := honest(t, redis, l.call, own)
			fmt.Fprintf(os.Stderr, "%-14s %-5s | %s | %s\n", l.name, own[:3], a, b)
		}
	}
}

// startParley starts a process of its own: clients must not share its scheduler.
func startParley(t *testing.T, binary string) (socket string) {
	socket = t.TempDir() + "/s"
	cmd := exec.Command(binary, "--port", "0", "--unixsocket", socket)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	_, err = stdout.Read(make([]byte, 100))
	require.NoError(t, err)
	go io.Copy(io.Discard, stdout)
	return socket
}

type quantiles struct {
	p50, p99, max time.Duration
	load          float64
}

func (q quantiles) String() string {
	us := func(d time.Duration) string { return fmt.Sprintf("%8.2f", float64(d.Microseconds())/1000) }
	return us(q.p50) + " " + us(q.p99) + " " + us(q.max) + fmt.Sprintf(" %9.0f", q.load)
}

// every is how often the honest client asks, if it is answered in time. Did it ask
// at once again, the answers that come soon would outnumber the others.
const every = 200 * time.Microsecond

// honest times calls beside a load.
func honest(t *testing.T, socket, load, own string) quantiles {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var hostile *exec.Cmd
	c := &rival{t: t, dial: func() (net.Conn, error) { return net.Dial("unix", socket) }}
	k := c.open()
	defer k.Close()
	if load != "" {
		args := append([]string{"-s", socket, "-c", "8", "-P", "10000", "-n", "1000000000", "-r", "10000"}, strings.Fields(load)...)
		hostile = exec.CommandContext(ctx, "redis-benchmark", args...)
		require.NoError(t, hostile.Start())
		defer hostile.Wait()
		defer cancel()
	}
	processed := func() (n int) {
		_, rest, _ := strings.Cut(k.AskText("INFO stats"), "total_commands_processed:")
		fmt.Sscan(rest, &n)
		return n
	}
	for range 1000 {
		k.write(own, 0, 0)
		k.flush()
		k.Discard()
	}
	before := processed()
	var times []time.Duration
	end := time.Now().Add(*fairness)
	begun := time.Now()
	for now := begun; now.Before(end); {
		k.write(own, 0, 0)
		k.flush()
		k.Discard()
		times = append(times, time.Since(now))
		for asked := now; now.Sub(asked) < every; now = time.Now() {
		}
	}
	n := processed() - before - len(times)
	took := time.Since(begun)
	slices.Sort(times)
	return quantiles{times[len(times)/2], times[len(times)*99/100], times[len(times)-1], float64(n) / took.Seconds()}
}
