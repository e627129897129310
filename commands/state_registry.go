package commands

import (
	"container/list"
	"iter"
	"sync/atomic"
	"unsafe"

	"github.com/parley-chat/parley/datastructs"
)

// A registry knows names, and which clients are registered for each: who is
// subscribed to a channel, who watches a key. The zero value is ready.
//
// All steps are O(1), however many names a client has and however many clients a
// name has. To end a million registrations takes long all the same, and nobody
// else is to wait for that; see registrations.
type registry struct {
	names    datastructs.Map[*registeredName]
	order    *list.List // of *registered, in the order in which the names came; nil: there is none
	count    int        // registrations
	setBytes int        // bytes of the crowds of all names
}

// A registeredName is a name that has clients. Most have one.
type registeredName struct {
	registry *registry
	name     string
	one      *registration // where there is one client
	set      *clientSet    // where there are several
	place    *list.Element // in the order of the registry; nil: it has none
}

// A clientSet is several clients of one name.
type clientSet struct {
	of   map[*registrations]*registration
	most int // how many there have been since the map was made
}

// registrations are those of one client, in one or several registries. Its owner
// replaces it by a new one when they end together.
type registrations struct {
	client *Client
	list   []*registration
	texts  int  // bytes in the names
	ended  bool // all are as good as gone, though some have not been taken out yet
}

// A registration is that of one client for one name.
type registration struct {
	of    *registrations
	name  *registeredName
	place int // in the list of the client
}

// What registries take beside the names and the tables of them.
var (
	registeredBytes   = int(unsafe.Sizeof(registeredName{}))
	orderedBytes      = int(unsafe.Sizeof(list.Element{})) + 8 // in a block
	registrationBytes = int(unsafe.Sizeof(registration{})) + 8*5/4
)

// bytes is what a crowd takes: for few a map of one group of slots, for many one
// whose slots are half full to full.
func (c *clientSet) bytes() int {
	if c.most <= 8 {
		return 16 + 48 + 144
	}
	return 16 + 48 + c.most*28
}

// find returns a name that has clients, those included whose registrations have
// ended; nil: it is not there.
func (r *registry) find(name []byte) *registeredName {
	n, _ := r.names.Get(name)
	return n
}

// inOrder iterates over the names in the order in which they came. There is none
// where nothing was ever registered.
func (r *registry) inOrder() iter.Seq[*registeredName] {
	return func(yield func(*registeredName) bool) {
		if r.order == nil {
			return
		}
		for at := r.order.Front(); at != nil; at = at.Next() {
			if !yield(at.Value.(*registeredName)) {
				return
			}
		}
	}
}

// bytes is what the registry takes, but for what its clients' registrations do.
func (r *registry) bytes() int {
	size := r.names.Bytes() + r.names.Len()*registeredBytes + r.setBytes
	if r.order != nil {
		size += r.order.Len() * orderedBytes
	}
	return size
}

// add registers a client for a name and reports whether it was not before.
func (s *registrations) add(r *registry, name []byte) (n *registeredName, added bool) {
	if n = r.find(name); n == nil {
		n = &registeredName{registry: r}
		n.name = r.names.Add(name, n)
		if r.order != nil {
			n.place = r.order.PushBack(n)
		}
	} else if n.of(s) != nil {
		return n, false
	} else if n.place != nil && !n.any() {
		r.order.MoveToBack(n.place) // it has come anew
	}
	g := &registration{of: s, name: n, place: len(s.list)}
	s.list = append(s.list, g)
	s.texts += len(n.name)
	n.add(g)
	return n, true
}

// remove ends the registration of a client for a name and reports whether there
// was one.
func (s *registrations) remove(r *registry, name []byte) bool {
	n := r.find(name)
	if s == nil || n == nil {
		return false
	}
	g := n.of(s)
	if g == nil {
		return false
	}
	s.drop(g)
	return true
}

// drop takes out one registration. The last takes its place in the list, which
// gives memory back as it shrinks.
func (s *registrations) drop(g *registration) {
	s.texts -= len(g.name.name)
	g.name.remove(g)
	last := len(s.list) - 1
	s.list[g.place], s.list[last].place = s.list[last], g.place
	s.list[last] = nil
	s.list = s.list[:last]
	if cap(s.list) > 64 && len(s.list) < cap(s.list)/4 {
		s.list = append(make([]*registration, 0, cap(s.list)/2), s.list...)
	}
}

// len counts the registrations. Nil has none.
func (s *registrations) len() int {
	if s == nil {
		return 0
	}
	return len(s.list)
}

// nameBytes is how many bytes the names have. Nil has none.
func (s *registrations) nameBytes() int {
	if s == nil {
		return 0
	}
	return s.texts
}

// names iterates over what a client is registered for.
func (s *registrations) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range s.len() {
			if !yield(s.list[i].name.name) {
				return
			}
		}
	}
}

// of returns the registration of a client, or nil.
func (n *registeredName) of(s *registrations) *registration {
	switch {
	case n.set != nil:
		return n.set.of[s]
	case n.one.of == s:
		return n.one
	}
	return nil
}

func (n *registeredName) add(g *registration) {
	n.registry.count++
	switch {
	case n.set != nil:
		n.count(func(c *clientSet) { c.of[g.of] = g })
	case n.one == nil:
		n.one = g
	default:
		n.set = &clientSet{of: map[*registrations]*registration{n.one.of: n.one, g.of: g}, most: 2}
		n.one = nil
		n.registry.setBytes += n.set.bytes()
	}
}

// remove takes out a client, and the name with the last one.
func (n *registeredName) remove(g *registration) {
	n.registry.count--
	if n.set == nil {
		n.registry.names.Delete(n.name)
		if n.place != nil {
			n.registry.order.Remove(n.place)
		}
		return
	}
	n.count(func(c *clientSet) {
		delete(c.of, g.of)
		if len(c.of) < c.most/8 { // a Go map does not shrink
			fewer := make(map[*registrations]*registration, len(c.of))
			for s, g := range c.of {
				fewer[s] = g
			}
			c.of, c.most = fewer, len(fewer)
		}
	})
	if len(n.set.of) == 1 {
		n.registry.setBytes -= n.set.bytes()
		for _, n.one = range n.set.of {
		}
		n.set = nil
	}
}

// drop ends all registrations for the name.
func (n *registeredName) drop() {
	for n.set != nil {
		for _, g := range n.set.of {
			g.of.drop(g)
			break
		}
	}
	n.one.of.drop(n.one)
}

// count changes the crowd, and what is known of its size.
func (n *registeredName) count(change func(*clientSet)) {
	n.registry.setBytes -= n.set.bytes()
	change(n.set)
	n.set.most = max(n.set.most, len(n.set.of))
	n.registry.setBytes += n.set.bytes()
}

// clients iterates over the clients of a name, in no order. Nil has none.
func (n *registeredName) clients() iter.Seq[*Client] {
	return func(yield func(*Client) bool) {
		switch {
		case n == nil:
		case n.set == nil:
			if !n.one.of.ended {
				yield(n.one.of.client)
			}
		default:
			for s := range n.set.of {
				if !s.ended && !yield(s.client) {
					return
				}
			}
		}
	}
}

// len counts the clients of a name, ended registrations included. Nil has none.
func (n *registeredName) len() int {
	switch {
	case n == nil:
		return 0
	case n.set == nil:
		return 1
	}
	return len(n.set.of)
}

// any reports whether the name has clients.
func (n *registeredName) any() bool {
	for range n.clients() {
		return true
	}
	return false
}

// removals are registrations that have ended together and are yet to be removed from their
// registries, in batches. They no longer count as registrations.
type removals struct {
	list    []*registrations
	pending atomic.Int64 // of those; for who does not hold the lock
}

// maxRemovals is how many registrations are removed in one critical section.
const maxRemovals = 1000

// start ends all registrations of a client: few right away. Nil has none.
func (e *removals) start(s *registrations) {
	if s.len() == 0 {
		return
	}
	s.ended = true
	if len(s.list) > maxRemovals {
		e.list = append(e.list, s)
		e.pending.Store(int64(len(e.list)))
		return
	}
	s.dropSome(maxRemovals)
}

// dropSome takes out up to limit registrations, and returns what is left of the limit.
func (s *registrations) dropSome(limit int) int {
	for ; limit > 0 && len(s.list) > 0; limit-- {
		s.drop(s.list[len(s.list)-1])
	}
	return limit
}

// run takes out up to limit registrations that have ended, and returns what is
// left of the limit.
func (e *removals) run(limit int) int {
	for limit > 0 && len(e.list) > 0 {
		s := e.list[0]
		limit = s.dropSome(limit)
		if len(s.list) > 0 {
			break
		}
		e.list[0] = nil
		e.list = e.list[1:]
	}
	if len(e.list) == 0 {
		e.list = nil
	}
	e.pending.Store(int64(len(e.list)))
	return limit
}

// any reports whether there are some. It needs no lock.
func (e *removals) any() bool { return e.pending.Load() > 0 }

// bytes is what the registrations take.
func (e *removals) bytes() (size int) {
	for _, s := range e.list {
		size += len(s.list) * registrationBytes
	}
	return size
}

// CleanUp removes ended subscriptions, watched keys and tracked keys, at most maxRemovals of
// them: a client may have very many. They no longer have any effect, except that tracked
// keys still count, as in Redis. It reports whether all are removed.
func (s *State) CleanUp() (done bool) {
	left := maxRemovals
	for _, e := range []*removals{&s.removals, &s.Channels.removals, &s.Tracking.removals} {
		left = e.run(left)
	}
	s.dropUnwatched()
	return !s.CleanUpPending()
}

// CleanUpPending reports whether CleanUp has work to do. It needs no lock.
func (s *State) CleanUpPending() bool {
	return s.removals.any() || s.Channels.removals.any() || s.Tracking.removals.any()
}
