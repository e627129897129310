package servertest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/server/servertest"
)

// A test of code that subscribes in a goroutine of its own: without the first wait
// the message would come too early, without the second the test would look too early.
func TestExampleWaiting(t *testing.T) {
	s := servertest.New(t)
	alice := connect(t, s)
	heard := make(chan string, 1)
	go func() {
		alice.Send("SUBSCRIBE room:1")
		alice.Skip(6) // that she is subscribed
		alice.Skip(6)
		heard <- alice.Line()
	}()

	s.WaitSubscribers(t.Context(), "room:1", 1)
	do(t, s, "PUBLISH", "room:1", "hello")
	s.WaitIdle(t.Context()) // she has read all there was
	require.Equal(t, "hello", <-heard)
}

// A test of what code publishes and calls, in which nobody is subscribed.
func TestExampleRecording(t *testing.T) {
	s := servertest.New(t)
	rooms := s.PatternRecorder("room:*")
	app := connect(t, s)
	app.AskLine("CLIENT SETNAME app", "SADD room:1:members alice", "PUBLISH room:1 joined", "PUBLISH room:2 joined")

	require.Equal(t, "room:1: joined", rooms.Next(t.Context()).String())
	require.Equal(t, "room:2: joined", rooms.Next(t.Context()).String())

	calls := s.Calls().By("app")
	calls.RequireCalledInOrder("SADD room:1:members alice", "PUBLISH room:1 *")
	calls.RequireCalledTimes(2, "PUBLISH")
	calls.RequireNotCalled("KEYS")
}
