package server

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
)

// TestChecksFindDamage: each is what a forgotten line might do.
func TestChecksFindDamage(t *testing.T) {
	for name, damage := range map[string]func(e *engine, p *blockedCall){
		"a caller that is not parked":      func(e *engine, p *blockedCall) { p.caller.isBlocked.Store(false) },
		"a client that is not blocked":     func(e *engine, p *blockedCall) { p.caller.client.Blocked = false },
		"a call that its caller has ended": func(e *engine, p *blockedCall) { p.caller.blocked = nil },
		"a key that does not know":         func(e *engine, p *blockedCall) { e.blocked.keys[0].Delete("a") },
		"a queue with one too many": func(e *engine, p *blockedCall) {
			p.places[0].queue.push(&queuePlace{queue: p.places[0].queue, call: p})
		},
		"a queue that is empty":             func(e *engine, p *blockedCall) { e.blocked.keys[0].Add([]byte("x"), &keyQueue{key: "x"}) },
		"a queue with another end":          func(e *engine, p *blockedCall) { p.places[0].queue.last = &p.places[1] },
		"a client that waits no more":       func(e *engine, p *blockedCall) { e.blocked.all.Remove(p.element) },
		"a client that waits with nothing":  func(e *engine, p *blockedCall) { p.caller.client.WaitingBytes = 0 },
		"a key that nobody was served from": func(e *engine, p *blockedCall) { e.blocked.ready = []*keyQueue{{key: "x"}} },
		"a pause that was not followed":     func(e *engine, p *blockedCall) { e.state.Pause.Kind = commands.PauseAll },
		"a call that no pause holds back":   func(e *engine, p *blockedCall) { e.pause.held.PushBack(p) },
		"an alarm that comes late":          func(e *engine, p *blockedCall) { e.expiry.at++ },
		"bytes that are counted twice": func(e *engine, p *blockedCall) {
			p.caller.client.Peer.(*session).out.size++
		},
		"the limits of another class": func(e *engine, p *blockedCall) {
			wrong := *p.caller.limits.Load()
			wrong.class = commands.OutputPubSub
			p.caller.limits.Store(&wrong)
		},
		"fewer strangers than none": func(e *engine, p *blockedCall) { e.unauthenticated.Add(-1) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(Options{Clock: NewManualClock(time.UnixMilli(1000))})
			require.NoError(t, err)
			conn, err := s.Dial()
			require.NoError(t, err)
			_, err = io.WriteString(conn, "PSETEX k 1000 v\r\nBZPOPMIN a b 0\r\n")
			require.NoError(t, err)
			require.NoError(t, s.Check())
			p := s.engine.callerOf(s.engine.state.Clients.Get(1)).blocked
			require.NotNil(t, p)
			damage(s.engine, p)
			require.Error(t, s.Check())
		})
	}
}
