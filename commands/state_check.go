package commands

import (
	"fmt"
	"maps"
	"slices"
)

// Check reports a broken invariant of what all calls share: of the data, and of
// what is known of clients, which stands in two places each. It looks at
// everything, under the engine's lock; see Server.Check.
//
// A client that has been killed, or has gone, may still watch keys and be
// remembered as a reader until its session has left. Once all have left, nothing
// may be.
func (s *State) Check(allLeft bool) error {
	for i, db := range s.Databases {
		if err := db.Check(); err != nil {
			return fmt.Errorf("database %d: %w", i, err)
		}
	}
	for _, check := range []func() error{s.checkClients, s.checkChannels, s.checkWatchers, s.checkMonitors, s.checkKeys, s.checkPrefixes, s.checkAccounts} {
		if err := check(); err != nil {
			return err
		}
	}
	if left := s.remembered(); allLeft && left > 0 {
		return fmt.Errorf("clients have left, and %d things are remembered of them", left)
	}
	return nil
}

// remembered counts all that is known of clients.
func (s *State) remembered() int {
	n := s.Clients.Len() + len(s.watchers) + s.Monitors.Len() + len(s.Tracking.clients) + s.Tracking.numKeys() + len(s.Tracking.prefixes)
	for kind := range s.Channels.kinds {
		n += s.Channels.kinds[kind].names.Len()
	}
	return n + len(s.removals.list) + len(s.Channels.removals.list)
}

// is reports whether a client is connected, or is just answering a call that
// has killed it.
func (s *State) is(l *Client) bool { return s.Clients.Get(l.ID) == l || l.replies.ended }

func (s *State) checkClients() error {
	if s.Clients.list.Len() != len(s.Clients.byID) {
		return fmt.Errorf("%d clients, %d in order", len(s.Clients.byID), s.Clients.list.Len())
	}
	for id, l := range s.Clients.byID {
		if l.ID != id || l.Direct || l.place == nil || l.place.Value != any(l) {
			return fmt.Errorf("client %d is entered as %d, or not in order", l.ID, id)
		}
		if l.User != nil && s.Users.byName[l.User.Name] != l.User {
			return fmt.Errorf("client %d is user %q, whom nobody knows", id, l.User.Name)
		}
		if l.DB < 0 || l.DB >= len(s.Databases) {
			return fmt.Errorf("client %d uses database %d", id, l.DB)
		}
		if names := l.sizeOfNames(); l.namesSize != names {
			return fmt.Errorf("client %d has names of %d bytes, and %d are counted", id, names, l.namesSize)
		}
		if l.dirty && l.watching.len() == 0 {
			return fmt.Errorf("client %d watches nothing, and yet a key that it watches was changed", id)
		}
	}
	return nil
}

func (l *Client) sizeOfNames() (size int) {
	if l.tracking != nil {
		for _, prefix := range l.tracking.prefixes {
			size += len(prefix)
		}
	}
	return size
}

func (s *State) checkChannels() error {
	for kind := range s.Channels.kinds {
		if err := s.Channels.kinds[kind].check(func(l *Client) *registrations { return l.subscriptions[kind] }, s.is); err != nil {
			return fmt.Errorf("subscriptions: %w", err)
		}
		for _, l := range s.Clients.byID {
			if err := l.subscriptions[kind].check(l, func(r *registry) bool { return r == &s.Channels.kinds[kind] }); err != nil {
				return fmt.Errorf("subscriptions: %w", err)
			}
		}
	}
	return s.Channels.removals.check()
}

func (s *State) checkWatchers() error {
	for db, r := range s.watchers {
		if err := r.check(func(l *Client) *registrations { return l.watching }, func(*Client) bool { return true }); err != nil {
			return fmt.Errorf("watched keys of database %d: %w", db, err)
		}
	}
	registries := slices.Collect(maps.Values(s.watchers))
	for _, l := range s.Clients.byID {
		if err := l.watching.check(l, func(r *registry) bool { return slices.Contains(registries, r) }); err != nil {
			return fmt.Errorf("watched keys: %w", err)
		}
	}
	return s.removals.check()
}

// check holds the names against their clients, and what is counted against what
// is there. of is what a client knows of its own registrations, may is whether it
// may have any.
func (r *registry) check(of func(*Client) *registrations, may func(*Client) bool) error {
	crowds, places, count := 0, 0, 0
	for name, n := range r.names.All() {
		if n.name != name || n.registry != r || (n.one == nil) == (n.set == nil) || n.set != nil && len(n.set.of) < 2 {
			return fmt.Errorf("%q is entered as %q, one client: %t, several: %t", name, n.name, n.one != nil, n.set != nil)
		}
		list := []*registration{n.one}
		if n.set != nil {
			crowds += n.set.bytes()
			list = slices.Collect(maps.Values(n.set.of))
		}
		count += len(list)
		for _, g := range list {
			l := g.of.client
			if g.name != n || n.of(g.of) != g || g.place >= len(g.of.list) || g.of.list[g.place] != g {
				return fmt.Errorf("%q has client %d, which does not know it", name, l.ID)
			}
			if !g.of.ended && (of(l) != g.of || !may(l)) {
				return fmt.Errorf("%q has client %d, its own registrations: %t, connected: %t", name, l.ID, of(l) == g.of, may(l))
			}
		}
		if n.place != nil {
			places++
		}
	}
	if crowds != r.setBytes || count != r.count {
		return fmt.Errorf("%d registrations with crowds of %d bytes, %d and %d counted", count, crowds, r.count, r.setBytes)
	}
	if r.order == nil {
		return nil
	}
	for n := range r.inOrder() {
		if places--; r.find([]byte(n.name)) != n || n.place.Value.(*registeredName) != n {
			return fmt.Errorf("%q is in order and not elsewhere", n.name)
		}
	}
	if places != 0 || r.order.Len() != r.names.Len() {
		return fmt.Errorf("%d names, %d in order", r.names.Len(), r.order.Len())
	}
	return nil
}

// check holds what a client knows against the registries, which are those that in
// reports.
func (s *registrations) check(l *Client, in func(*registry) bool) error {
	if s != nil && (s.client != l || s.ended) {
		return fmt.Errorf("client %d has registrations of client %d, ended: %t", l.ID, s.client.ID, s.ended)
	}
	for i := range s.len() {
		g := s.list[i]
		if g.of != s || g.place != i || !in(g.name.registry) || g.name.registry.find([]byte(g.name.name)) != g.name || g.name.of(s) != g {
			return fmt.Errorf("client %d is registered for %q, which does not know it", l.ID, g.name.name)
		}
	}
	return nil
}

func (e *removals) check() error {
	for _, s := range e.list {
		if !s.ended || len(s.list) == 0 {
			return fmt.Errorf("%d registrations are about to end, ended: %t", len(s.list), s.ended)
		}
	}
	if left := e.pending.Load(); left != int64(len(e.list)) {
		return fmt.Errorf("%d clients have ended registrations, %d counted", len(e.list), left)
	}
	return nil
}

func (s *State) checkMonitors() error {
	for at := s.Monitors.list.Front(); at != nil; at = at.Next() {
		if l := at.Value.(*Client); l.monitor != at || !s.is(l) {
			return fmt.Errorf("client %d is in the list of monitors: there: %t, connected: %t", l.ID, l.monitor == at, s.is(l))
		}
	}
	monitors := 0
	for _, l := range s.Clients.byID {
		if l.isMonitor() {
			monitors++
		}
	}
	if monitors > s.Monitors.Len() {
		return fmt.Errorf("%d clients are monitors, and %d in the list", monitors, s.Monitors.Len())
	}
	return nil
}

func (s *State) checkKeys() error {
	t := &s.Tracking
	of := func(l *Client) *registrations { return l.tracked().read }
	if err := t.keys.check(of, func(l *Client) bool { _, read := t.readers[l]; return read }); err != nil {
		return fmt.Errorf("tracked keys: %w", err)
	}
	for l := range t.readers {
		if err := of(l).check(l, func(r *registry) bool { return r == &t.keys }); err != nil {
			return fmt.Errorf("tracked keys: %w", err)
		}
	}
	return t.removals.check()
}

func (s *State) checkPrefixes() error {
	t, lengths := &s.Tracking, make(map[int]int)
	texts := 0
	for name, p := range t.prefixes {
		texts += len(name)
		lengths[len(name)]++
		if p.prefix != name || len(p.clients) == 0 {
			return fmt.Errorf("tracked prefix %q has %d clients", name, len(p.clients))
		}
		for l := range p.clients {
			if !l.tracking.has(name) || !s.is(l) {
				return fmt.Errorf("tracked prefix %q has client %d, connected: %t, with it: %t", name, l.ID, s.is(l), l.tracking.has(name))
			}
		}
	}
	for i, l := range t.lengths {
		if lengths[l.length] != l.prefixes || i > 0 && t.lengths[i-1].length >= l.length {
			return fmt.Errorf("%d prefixes of length %d, %d counted", lengths[l.length], l.length, l.prefixes)
		}
		delete(lengths, l.length)
	}
	if texts != t.texts {
		return fmt.Errorf("prefixes of %d bytes, %d counted", texts, t.texts)
	}
	if len(lengths) > 0 {
		return fmt.Errorf("prefixes of lengths that are not counted: %v", lengths)
	}
	for l := range t.clients {
		if !s.is(l) || l.tracking == nil || !l.tracking.on {
			return fmt.Errorf("client %d tracks, connected: %t", l.ID, s.is(l))
		}
	}
	for _, l := range s.Clients.byID {
		if err := t.checkReader(l); err != nil {
			return err
		}
	}
	return nil
}

// checkReader holds what a client knows of itself against the table.
func (t *Tracking) checkReader(l *Client) error {
	now := l.tracked()
	if _, tracks := t.clients[l]; tracks != now.on {
		return fmt.Errorf("client %d tracks: %t, in the table: %t", l.ID, now.on, tracks)
	}
	if !slices.IsSorted(now.prefixes) {
		return fmt.Errorf("client %d has prefixes that are not in order", l.ID)
	}
	for _, prefix := range now.prefixes {
		if p := t.prefixes[prefix]; p == nil {
			return fmt.Errorf("client %d has the prefix %q, which is not in the table", l.ID, prefix)
		}
	}
	if _, read := t.readers[l]; read != (now.read != nil) {
		return fmt.Errorf("client %d has read: %t, in the table: %t", l.ID, now.read != nil, read)
	}
	return nil
}

// checkAccounts counts anew what is counted as it changes; see kept.
func (s *State) checkAccounts() error {
	if s.Users.standard == nil {
		return nil // nobody has told of any
	}
	for id, l := range s.Clients.byID {
		if now, names := int64(l.bytes()), int64(l.nameBytes()); l.counted != 0 && (l.counted != now || l.countedNames != names) { // a test's own is not counted
			return fmt.Errorf("client %d takes %d bytes and %d of names, and %d and %d are counted", id, now, names, l.counted, l.countedNames)
		}
	}
	users := 0
	for _, u := range s.Users.byName {
		if u.counted != u.bytes() {
			return fmt.Errorf("user %q takes %d bytes, and %d are counted", u.Name, u.bytes(), u.counted)
		}
		if u != s.Users.standard {
			users += u.counted
		}
	}
	fresh := NewUsers()
	if users += s.Users.standard.bytes() - fresh.standard.bytes(); users != s.Users.bytes {
		return fmt.Errorf("users take %d bytes, and %d are counted", users, s.Users.bytes)
	}
	s.slowLog.mu.Lock()
	defer s.slowLog.mu.Unlock()
	slow, names := int64(0), 0
	for _, e := range s.slowLog.entries {
		slow += e.bytes()
		if e.name != "" {
			names++
		}
	}
	for _, n := range s.slowLog.names {
		slow += nameBytes(n.text)
		names -= n.entries
	}
	if slow != s.slowLog.bytes.Load() || names != 0 {
		return fmt.Errorf("the slow log takes %d bytes, and %d are counted; of %d entries the name is not", slow, s.slowLog.bytes.Load(), names)
	}
	s.denials.mu.Lock()
	defer s.denials.mu.Unlock()
	refused := int64(0)
	for _, e := range s.denials.entries {
		refused += e.bytes()
	}
	if refused != s.denials.bytes.Load() {
		return fmt.Errorf("the ACL log takes %d bytes, and %d are counted", refused, s.denials.bytes.Load())
	}
	return nil
}
