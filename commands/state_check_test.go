package commands

import (
	"container/list"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/datastructs"
)

// TestStateChecksFindDamage: each is what a forgotten line might do.
func TestStateChecksFindDamage(t *testing.T) {
	for name, damage := range map[string]func(s *State, l *Client){
		"a client under another id":           func(s *State, l *Client) { s.Clients.byID[9] = l },
		"a client in no database":             func(s *State, l *Client) { l.DB = 16 },
		"names that are counted twice":        func(s *State, l *Client) { l.namesSize++ },
		"a transaction that fails for no key": func(s *State, l *Client) { s.Unwatch(l); l.dirty = true },
		"a subscription by a gone client":     func(s *State, l *Client) { s.Unwatch(l); s.Tracking.disable(l); s.Clients.Remove(l) },
		"a channel that nobody has": func(s *State, l *Client) {
			r := &s.Channels.kinds[ToChannel]
			r.names.Add([]byte("x"), &registeredName{registry: r, name: "x"})
		},
		"a channel that does not know one":    func(s *State, l *Client) { s.Channels.kinds[ToChannel].names.Delete("c") },
		"a subscriber who does not know":      func(s *State, l *Client) { l.subscriptions[ToChannel] = nil },
		"a subscriber who has ended all":      func(s *State, l *Client) { l.subscriptions[ToChannel].ended = true },
		"a crowd that is counted wrong":       func(s *State, l *Client) { s.Channels.kinds[ToShard].setBytes++ },
		"an end that was forgotten":           func(s *State, l *Client) { s.removals.list = []*registrations{new(registrations)} },
		"a pattern that is lost":              func(s *State, l *Client) { s.Channels.kinds[ToPattern].order.Init() },
		"a watcher who does not know":         func(s *State, l *Client) { l.watching = nil },
		"a watched key that is lost":          func(s *State, l *Client) { s.watchers[0].names.Delete("watched") },
		"watched keys that are lost":          func(s *State, l *Client) { delete(s.watchers, 0) },
		"a monitor that is gone":              func(s *State, l *Client) { s.Monitors.list.PushBack(&Client{ID: 9}) },
		"a monitor that is not listed":        func(s *State, l *Client) { l.monitor = new(list.Element) },
		"a tracked key with a reader too few": func(s *State, l *Client) { s.Tracking.keys.count++ },
		"a tracked key that is forgotten":     func(s *State, l *Client) { s.Tracking.keys.names.Delete("read") },
		"a reader that does not know":         func(s *State, l *Client) { l.tracking.read = nil },
		"a reader that nobody knows":          func(s *State, l *Client) { clear(s.Tracking.readers) },
		"a client that does not track":        func(s *State, l *Client) { l.tracking.on = false },
		"a prefix that is lost":               func(s *State, l *Client) { delete(s.Tracking.prefixes, "p:") },
		"a length of prefixes that is lost":   func(s *State, l *Client) { s.Tracking.lengths = nil },
		"an empty value":                      func(s *State, l *Client) { s.Databases[1].Put([]byte("k"), new(datastructs.Set), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &State{Databases: []*datastructs.Keyspace{new(datastructs.Keyspace), new(datastructs.Keyspace)}}
			l := &Client{ID: 1}
			s.Clients.Add(l)
			s.Channels.Subscribe(l, ToChannel, []byte("c"))
			s.Channels.Subscribe(l, ToPattern, []byte("p*"))
			s.watch(l, 0, []byte("watched"))
			s.Tracking.enable(l, clientTracking{broadcast: true}, [][]byte{[]byte("p:")})
			s.Tracking.remember(l, []byte("read"))
			require.NoError(t, s.Check(false))
			require.Error(t, s.Check(true))
			damage(s, l)
			require.Error(t, s.Check(false))
		})
	}
}
