package servertest_test

import (
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server/servertest"
)

// lifetime starts and ends a server as a test of one call does.
func lifetime(t testing.TB) {
	test := &harness.Short{TB: t}
	conn, err := servertest.New(test).Dial()
	require.NoError(t, err)
	ping(t, conn)
	require.NoError(t, conn.Close())
	test.End()
}

func ping(t testing.TB, conn net.Conn) {
	_, err := conn.Write([]byte("PING\r\n"))
	require.NoError(t, err)
	var reply [7]byte
	_, err = io.ReadFull(conn, reply[:])
	require.NoError(t, err)
	require.Equal(t, "+PONG\r\n", string(reply[:]))
}

// Ten thousand servers, one after the other, leave no goroutine, no heap and no
// memory of the system. No other test runs in parallel.
func TestThousandsOfServersLeaveNothing(t *testing.T) {
	const servers, warm = 10_000, 1000
	for range warm { // buffers and tables that the process keeps for all servers
		lifetime(t)
	}
	took := make([]time.Duration, servers)
	before := occupied()
	for i := range took {
		begun := time.Now()
		lifetime(t)
		took[i] = time.Since(begun)
	}
	after := occupied()
	slices.Sort(took)
	t.Logf("from New to the end of its test: median %v; heap %+d bytes, resident %+d bytes", took[servers/2], after.heap-before.heap, after.resident-before.resident)

	require.LessOrEqual(t, after.goroutines, before.goroutines)
	require.Less(t, after.heap-before.heap, int64(servers*8), "not so much as a pointer for each")
	require.Less(t, after.resident-before.resident, int64(16<<20), "each took more than 20 KiB while it was there")
}

// An occupancy is the memory of the process in bytes.
type occupancy struct {
	goroutines     int
	heap, resident int64
}

func occupied() occupancy {
	runtime.GC()
	runtime.GC() // what sync.Pool holds goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	o := occupancy{goroutines: runtime.NumGoroutine(), heap: int64(m.HeapAlloc)}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil { // of Linux
		pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
		o.resident = pages * int64(os.Getpagesize())
	}
	return o
}
