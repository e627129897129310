package harness

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"
)

// Do makes a call on a server without a connection, and returns its reply as
// formatted by the reply's String.
func Do[V fmt.Stringer](t testing.TB, s interface {
	Do(ctx context.Context, words ...any) (V, error)
}, words ...any) string {
	t.Helper()
	v, err := s.Do(t.Context(), words...)
	if err != nil {
		t.Fatalf("%.100q: %v", fmt.Sprint(words...), err)
	}
	return v.String()
}

// Until polls once per millisecond for a state that another goroutine or
// process reaches without notification. In synctest bubbles use synctest.Wait
// instead.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	if done() {
		return
	}
	again, end := time.NewTicker(time.Millisecond), time.NewTimer(GiveUp)
	defer again.Stop()
	defer end.Stop()
	for {
		select {
		case <-again.C:
			if done() {
				return
			}
		case <-end.C:
			t.Fatalf("not within %v: %s", GiveUp, what)
		}
	}
}

// FreePort returns a port that was free a moment ago.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
