package commands

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/datastructs"
)

// A listener is a client's connection that counts its messages.
type listener struct {
	nobody
	heard []string
}

func (l *listener) Push(m *Message) { l.heard = append(l.heard, string(m.In(3))) }

func newState() *State {
	return &State{Databases: []*datastructs.Keyspace{new(datastructs.Keyspace), new(datastructs.Keyspace)}}
}

func admit(s *State, id int64) *Client {
	l := &Client{ID: id, Protocol: 3, Peer: new(listener)}
	s.Clients.Add(l)
	return l
}

func heard(l *Client) []string { return l.Peer.(*listener).heard }

// A client that leaves with more than can be taken out at once is gone for all who
// ask, before it is, and what it leaves behind costs nobody anything.
func TestClientThatIsLeavingIsGone(t *testing.T) {
	s := newState()
	used := s.UsedMemory()
	leaving, other := admit(s, 1), admit(s, 2)
	for kind := range SubscriptionKind(subscriptionKinds) {
		for i := range 3 * maxRemovals {
			s.Channels.Subscribe(leaving, kind, fmt.Append(nil, "c", i))
		}
		s.Channels.Subscribe(other, kind, []byte("c0"))
	}
	for i := range 3 * maxRemovals {
		s.watch(leaving, i%2, fmt.Append(nil, "k", i))
	}
	s.Channels.UnsubscribeAll(leaving)
	s.Unwatch(leaving)
	require.True(t, s.CleanUpPending())
	require.NoError(t, s.Check(false))
	c := &Context{State: s}
	for kind := range SubscriptionKind(subscriptionKinds) {
		require.Equal(t, []string{"c0"}, s.Channels.names(kind))
		require.Equal(t, 1, s.Channels.count(kind))
		require.Equal(t, 1, s.Channels.Subscribers(kind, []byte("c0")))
		require.Zero(t, s.Channels.Subscribers(kind, []byte("c1")))
		require.Empty(t, s.Channels.Of(leaving, kind))
		require.Zero(t, leaving.subscriptionCount(kind))
	}
	require.Equal(t, 2, c.Publish([]byte("c0"), nil), "to its channel, and to its pattern")
	require.Zero(t, c.Publish([]byte("c1"), nil))
	require.Equal(t, 1, c.publishToShard([]byte("c0"), nil))
	require.Len(t, heard(other), 3)
	require.Empty(t, heard(leaving))
	c.selectDB(0)
	c.changed([]byte("k0"), nil)
	require.False(t, leaving.dirty)

	steps := 0
	for !s.CleanUp() {
		steps++
		require.NoError(t, s.Check(false))
	}
	require.InDelta(t, 12, steps, 1)
	s.Channels.UnsubscribeAll(other)
	s.Clients.Remove(leaving)
	s.Clients.Remove(other)
	require.NoError(t, s.Check(true))
	require.Equal(t, used, s.UsedMemory())
}

// A client can come anew to names that it is still being taken out of, and is told
// of patterns in the order in which it has come anew.
func TestNamesThatAreEndingCanBeTakenAnew(t *testing.T) {
	s := newState()
	l := admit(s, 1)
	for i := range 2 * maxRemovals {
		s.Channels.Subscribe(l, ToPattern, fmt.Append(nil, "*", i%10, "*", i))
	}
	s.Channels.UnsubscribeAll(l)
	for _, pattern := range []string{"*7*7", "*3*3", "new*"} {
		require.True(t, s.Channels.Subscribe(l, ToPattern, []byte(pattern)))
		require.False(t, s.Channels.Subscribe(l, ToPattern, []byte(pattern)))
	}
	for done := false; !done; done = s.CleanUp() {
		var order []string
		for n := range s.Channels.kinds[ToPattern].inOrder() {
			if n.any() {
				order = append(order, n.name)
			}
		}
		require.Equal(t, []string{"*7*7", "*3*3", "new*"}, order)
		require.NoError(t, s.Check(false))
	}
	s.watch(l, 0, []byte("k"))
	s.watch(l, 0, []byte("k"))
	require.Equal(t, 1, l.watching.len())
	s.Unwatch(l)
	require.False(t, s.CleanUpPending(), "few go at once")
}

// Whatever clients do to names, all that is known of both agrees.
func TestRegistriesAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := newState()
	var clients []*Client
	for id := range int64(30) {
		clients = append(clients, admit(s, id+1))
	}
	held := make(map[string]bool) // client, kind, name
	for step := range 30_000 {
		l, kind, name := clients[r.IntN(len(clients))], SubscriptionKind(r.IntN(subscriptionKinds)), fmt.Append(nil, r.IntN(20))
		key := fmt.Sprintf("%d %d %s", l.ID, kind, name)
		switch n := r.IntN(1000); {
		case n < 600:
			require.Equal(t, !held[key], s.Channels.Subscribe(l, kind, name))
			held[key] = true
		case n < 990:
			require.Equal(t, held[key], s.Channels.unsubscribe(l, kind, name))
			delete(held, key)
		default:
			s.Channels.UnsubscribeAll(l)
			for kind := range SubscriptionKind(subscriptionKinds) {
				for i := range 20 {
					delete(held, fmt.Sprintf("%d %d %d", l.ID, kind, i))
				}
			}
		}
		if step%100 == 0 {
			require.NoError(t, s.Check(false))
		}
	}
	count := 0
	for kind := range SubscriptionKind(subscriptionKinds) {
		for _, name := range s.Channels.names(kind) {
			count += s.Channels.Subscribers(kind, []byte(name))
		}
	}
	require.Equal(t, len(held), count)
}

// What took much gives it back when it has become less.
func TestRegistriesGiveMemoryBack(t *testing.T) {
	s := newState()
	few, many := admit(s, 1), admit(s, 2)
	s.Channels.Subscribe(few, ToChannel, []byte("few"))
	s.AccountClient(few)
	s.AccountClient(many)
	used := s.UsedMemory()
	for i := range 100_000 {
		s.Channels.Subscribe(many, ToChannel, fmt.Append(nil, i))
	}
	for i := range 100_000 {
		s.Channels.unsubscribe(many, ToChannel, fmt.Append(nil, i))
	}
	s.AccountClient(many)
	require.InDelta(t, used, s.UsedMemory(), 40_000)
	require.LessOrEqual(t, cap(many.subscriptions[ToChannel].list), 64)
	var crowd []*Client
	for id := range int64(1000) {
		crowd = append(crowd, admit(s, 10+id))
		s.Channels.Subscribe(crowd[id], ToChannel, []byte("few"))
	}
	for _, l := range crowd[10:] {
		s.Channels.UnsubscribeAll(l)
	}
	require.Less(t, s.Channels.kinds[ToChannel].setBytes, 10_000)
	require.NoError(t, s.Check(false))
}
