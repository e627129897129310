package commands

import (
	"fmt"
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
	for _, check := range []func() error{s.checkClients, s.checkChannels, s.checkWatchers, s.checkMonitors, s.Tracking.checkKeys, s.checkPrefixes, s.checkAccounts} {
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
	n := s.Clients.Len() + len(s.watchers) + s.Monitors.Len() + len(s.Tracking.clients) + len(s.Tracking.keys) + len(s.Tracking.prefixes)
	for _, names := range s.Channels.subscribers {
		n += len(names)
	}
	return n
}

// is reports whether a client is connected, or is just answering a call that
// has killed it.
func (s *State) is(l *Client) bool { return s.Clients.Get(l.ID) == l || l.replies.ended }

func (s *State) checkClients() error {
	for id, l := range s.Clients.byID {
		if l.ID != id || l.Direct {
			return fmt.Errorf("client %d is entered as %d", l.ID, id)
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
		if l.spoilt && len(l.watching) == 0 {
			return fmt.Errorf("client %d watches nothing, and yet a key that it watches was changed", id)
		}
	}
	return nil
}

func (l *Client) sizeOfNames() (size int) {
	for _, names := range l.subscriptions {
		for name := range names {
			size += len(name)
		}
	}
	for k := range l.watching {
		size += len(k.key)
	}
	if l.tracking != nil {
		for prefix := range l.tracking.prefixes {
			size += len(prefix)
		}
		for k := range l.tracking.read {
			size += len(k.name)
		}
	}
	return size
}

func (s *State) checkChannels() error {
	for kind := range SubscriptionKind(subscriptionKinds) {
		for name, subscribers := range s.Channels.subscribers[kind] {
			if len(subscribers) == 0 {
				return fmt.Errorf("channel %q has nobody left", name)
			}
			for l := range subscribers {
				if _, held := l.subscriptions[kind][name]; !held || !s.is(l) {
					return fmt.Errorf("channel %q has client %d, connected: %t, subscribed: %t", name, l.ID, s.is(l), held)
				}
			}
		}
		for _, l := range s.Clients.byID {
			for name := range l.subscriptions[kind] {
				if _, entered := s.Channels.subscribers[kind][name][l]; !entered {
					return fmt.Errorf("client %d is subscribed to %q, which does not know it", l.ID, name)
				}
			}
		}
	}
	return s.Channels.checkPatterns()
}

func (s *Channels) checkPatterns() error {
	if s.patterns.Len() != len(s.places) || len(s.places) != len(s.subscribers[ToPattern]) {
		return fmt.Errorf("%d patterns in order, %d places of them, %d with subscribers", s.patterns.Len(), len(s.places), len(s.subscribers[ToPattern]))
	}
	for e := s.patterns.Front(); e != nil; e = e.Next() {
		name := e.Value.(string)
		if s.places[name] != e || s.subscribers[ToPattern][name] == nil {
			return fmt.Errorf("pattern %q is in order and not elsewhere", name)
		}
	}
	return nil
}

func (s *State) checkWatchers() error {
	for k, watchers := range s.watchers {
		if len(watchers) == 0 {
			return fmt.Errorf("key %q is watched by nobody", k.key)
		}
		for l := range watchers {
			if _, watching := l.watching[k]; !watching {
				return fmt.Errorf("key %q has client %d, which does not watch it", k.key, l.ID)
			}
		}
	}
	for _, l := range s.Clients.byID {
		for k := range l.watching {
			if _, entered := s.watchers[k][l]; !entered {
				return fmt.Errorf("client %d watches %q, which does not know it", l.ID, k.key)
			}
		}
	}
	return nil
}

func (s *State) checkMonitors() error {
	for i, l := range s.Monitors.list {
		if !l.monitor || !s.is(l) || slices.Contains(s.Monitors.list[:i], l) {
			return fmt.Errorf("client %d is in the list of monitors: a monitor: %t, connected: %t", l.ID, l.monitor, s.is(l))
		}
	}
	for _, l := range s.Clients.byID {
		if l.monitor && !slices.Contains(s.Monitors.list, l) {
			return fmt.Errorf("client %d is a monitor, and not in the list", l.ID)
		}
	}
	return nil
}

func (t *Tracking) checkKeys() error {
	items := 0
	for name, k := range t.keys {
		if k.name != name || k.place >= len(t.places) || t.places[k.place] != k || k.unread() {
			return fmt.Errorf("tracked key %q: its place %d of %d, unread: %t", name, k.place, len(t.places), k.unread())
		}
		for l := range k.all() {
			items++
			if _, known := l.tracking.read[k]; !known {
				return fmt.Errorf("tracked key %q has client %d, which has not read it", name, l.ID)
			}
		}
	}
	if items != t.items || len(t.places) != len(t.keys) {
		return fmt.Errorf("%d readers of %d tracked keys, %d in %d counted", items, len(t.keys), t.items, len(t.places))
	}
	return nil
}

func (s *State) checkPrefixes() error {
	t, lengths := &s.Tracking, make(map[int]int)
	for name, p := range t.prefixes {
		lengths[len(name)]++
		if p.prefix != name || len(p.clients) == 0 {
			return fmt.Errorf("tracked prefix %q has %d clients", name, len(p.clients))
		}
		for l := range p.clients {
			if _, held := l.tracking.prefixes[name]; !held || !s.is(l) {
				return fmt.Errorf("tracked prefix %q has client %d, connected: %t, with it: %t", name, l.ID, s.is(l), held)
			}
		}
	}
	for i, l := range t.lengths {
		if lengths[l.length] != l.prefixes || i > 0 && t.lengths[i-1].length >= l.length {
			return fmt.Errorf("%d prefixes of length %d, %d counted", lengths[l.length], l.length, l.prefixes)
		}
		delete(lengths, l.length)
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
	for prefix := range now.prefixes {
		if p := t.prefixes[prefix]; p == nil {
			return fmt.Errorf("client %d has the prefix %q, which is not in the table", l.ID, prefix)
		}
	}
	for k := range now.read {
		if t.keys[k.name] != k {
			return fmt.Errorf("client %d has read %q, which is not in the table", l.ID, k.name)
		}
	}
	return nil
}

// checkAccounts counts anew what is counted as it changes; see kept.
func (s *State) checkAccounts() error {
	if s.Users.standard == nil {
		return nil // nobody has told of any
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
	s.SlowLog.mu.Lock()
	defer s.SlowLog.mu.Unlock()
	slow, names := int64(0), 0
	for _, e := range s.SlowLog.entries {
		slow += e.bytes()
		if e.name != "" {
			names++
		}
	}
	for _, n := range s.SlowLog.names {
		slow += nameBytes(n.text)
		names -= n.entries
	}
	if slow != s.SlowLog.bytes.Load() || names != 0 {
		return fmt.Errorf("the slow log takes %d bytes, and %d are counted; of %d entries the name is not", slow, s.SlowLog.bytes.Load(), names)
	}
	s.ACLLog.mu.Lock()
	defer s.ACLLog.mu.Unlock()
	refused := int64(0)
	for _, e := range s.ACLLog.entries {
		refused += e.bytes()
	}
	if refused != s.ACLLog.bytes.Load() {
		return fmt.Errorf("the ACL log takes %d bytes, and %d are counted", refused, s.ACLLog.bytes.Load())
	}
	return nil
}
