package servertest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/server/servertest"
)

// BenchmarkServer times what a test pays: a server, a connection, a first
// reply, and the checks at the end.
func BenchmarkServer(b *testing.B) {
	buf := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		oneServer(b, buf)
	}
}

// TestServerTakesMicroseconds logs, with -v, what a test pays. PARLEY_TIMING=1
// compares it with a bound.
func TestServerTakesMicroseconds(t *testing.T) {
	const rounds = 500
	times, buf := make([]time.Duration, rounds), make([]byte, 64)
	for i := range times {
		begun := time.Now()
		oneServer(t, buf)
		times[i] = time.Since(begun)
	}
	slices.Sort(times)
	t.Logf("nine of ten %v", times[rounds*9/10])
	harness.RequireWithin(t, times[rounds/2], time.Millisecond, "the median")
}

func oneServer(t testing.TB, buf []byte) {
	f := &fakeTest{TB: t}
	s := servertest.New(f)
	c, err := s.Dial()
	if err == nil {
		_, err = c.Write([]byte("PING\r\n"))
	}
	if err == nil {
		_, err = c.Read(buf)
	}
	if err == nil {
		err = c.Close()
	}
	if failure := f.end(); err != nil || failure != "" {
		t.Fatal(err, failure)
	}
}
