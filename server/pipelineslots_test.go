package server

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// While others are in the narrow way, a long pipeline gets no further than its
// first batch, and a short one all the way.
func TestLongPipelinesTakeASlot(t *testing.T) {
	synctest.Test(t, longPipelines)
}

func longPipelines(t *testing.T) {
	srv, err := New(Options{Clock: NewManualClock(time.UnixMilli(1615480369000))}) // a batch ends early if it takes long
	require.NoError(t, err)
	defer srv.Close()
	open := func() (*session, func() int) {
		s, err := newDetached(srv, peerAddr{addr: "test", local: "test"})
		require.NoError(t, err)
		return s, func() int { size, _ := s.out.usage(); return size / len("+PONG\r\n") }
	}
	long, longAnswers := open()
	short, shortAnswers := open()
	defer long.leave()
	defer short.leave()

	for range cap(srv.engine.pipelineSlots) {
		srv.engine.pipelineSlots <- struct{}{}
	}
	var fed sync.WaitGroup
	fed.Go(func() { long.Feed([]byte(strings.Repeat("PING\r\n", 10*maxBatch))) })
	synctest.Wait() // the long one is at the narrow way
	require.Equal(t, maxBatch, longAnswers())
	for range 100 {
		short.Feed([]byte(strings.Repeat("PING\r\n", maxBatch)))
	}
	require.Equal(t, 100*maxBatch, shortAnswers())
	synctest.Wait()
	require.Equal(t, maxBatch, longAnswers())

	for range cap(srv.engine.pipelineSlots) {
		<-srv.engine.pipelineSlots
	}
	fed.Wait()
	require.Equal(t, 10*maxBatch, longAnswers())
	require.Empty(t, srv.engine.pipelineSlots)
}
