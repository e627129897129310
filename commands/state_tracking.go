package commands

import (
	"cmp"
	"slices"
)

// Tracking remembers which clients are sent invalidations of which keys. The zero value is
// ready. As in Redis, keys are names, whatever the database.
//
// In the default mode it remembers the keys that a client has read, each until it changes or
// the client disconnects. In broadcast mode a client has prefixes and is sent all changed
// keys that begin with one.
type Tracking struct {
	clients  map[*Client]struct{} // that track now
	keys     registry             // that are remembered, and for whom
	readers  map[*Client]struct{} // for whom keys are remembered, or have been
	removals removals             // of those

	prefixes map[string]*trackedPrefix
	texts    int              // bytes in them
	lengths  []prefixLength   // of the prefixes, shortest first
	changed  []*trackedPrefix // those with changes that have not been told

	overruns int // times in a row that the keys remained too many
}

// A clientTracking is what a client has asked for. It stays when tracking is
// switched off, as do the keys that are remembered for it: should the client
// switch it on again, it is still told of those.
type clientTracking struct {
	on        bool
	broadcast bool
	optIn     bool // remember only what is read right after CLIENT CACHING YES
	optOut    bool // remember all but what is read right after CLIENT CACHING NO
	noLoop    bool // do not tell what the client itself has changed
	caching   bool // CLIENT CACHING was the last call
	broken    bool // the client of redirect was gone when it was to be told
	redirect  int64

	prefixes []string // in order
	read     *registrations
}

type trackedPrefix struct {
	prefix  string
	clients map[*Client]struct{}
	changes map[string]*Client // who was the last to change the key; nil: no client
}

type prefixLength struct{ length, prefixes int }

// numClients counts the clients that track.
func (t *Tracking) numClients() int { return len(t.clients) }

// numKeys counts the keys that are remembered, and Items their readers.
func (t *Tracking) numKeys() int  { return t.keys.names.Len() }
func (t *Tracking) numReads() int { return t.keys.count }

// numPrefixes counts the different prefixes that clients have.
func (t *Tracking) numPrefixes() int { return len(t.prefixes) }

// any reports whether somebody may have to be told of a change.
func (t *Tracking) any() bool { return t.numKeys()+len(t.prefixes) > 0 }

// ensure returns what a client has asked for, to be changed.
func (t *Tracking) ensure(l *Client) *clientTracking {
	if l.tracking == nil {
		l.tracking = new(clientTracking)
	}
	return l.tracking
}

// enable switches tracking on, or changes how a client tracks. Prefixes that the
// client has already it keeps; in broadcast mode without any it is told of all
// keys.
func (t *Tracking) enable(l *Client, want clientTracking, prefixes [][]byte) {
	now := t.ensure(l)
	want.on, want.caching = true, now.caching
	want.prefixes, want.read = now.prefixes, now.read
	*now = want
	if t.clients == nil {
		t.clients = make(map[*Client]struct{})
	}
	t.clients[l] = struct{}{}
	if want.broadcast && len(prefixes) == 0 {
		prefixes = [][]byte{nil}
	}
	var added []string
	for _, prefix := range prefixes {
		if prefix := string(prefix); !now.has(prefix) {
			added = append(added, t.addPrefix(l, prefix))
		}
	}
	slices.Sort(added)
	now.prefixes = merge(now.prefixes, added)
}

// has reports whether the client has a prefix.
func (t *clientTracking) has(prefix string) bool {
	_, found := slices.BinarySearch(t.prefixes, prefix)
	return found
}

// overlapping returns the first of the client's prefixes that begins with another, or
// that this one begins with. But for the empty one, which is the first, none of them
// begins with another: so only the neighbours can.
func (t *clientTracking) overlapping(prefix string) (other string, found bool) {
	if len(t.prefixes) == 0 {
		return "", false
	}
	i, _ := slices.BinarySearch(t.prefixes, prefix)
	for _, near := range [...]int{0, i - 1, i} {
		if near >= 0 && near < len(t.prefixes) && overlap(prefix, t.prefixes[near]) {
			return t.prefixes[near], true
		}
	}
	return "", false
}

// merge returns what is in two lists that are in order, in order. It takes list over.
func merge(list, more []string) []string {
	i, j := len(list), len(more)
	list = slices.Grow(list, j)[:i+j]
	for ; j > 0; i-- {
		if i > 0 && list[i-1] > more[j-1] {
			list[i+j-1] = list[i-1]
			continue
		}
		list[i+j-1] = more[j-1]
		j--
		i++
	}
	return list
}

// disable switches tracking off.
func (t *Tracking) disable(l *Client) {
	if l.tracking == nil {
		return
	}
	t.Leave(l)
	*l.tracking = clientTracking{read: l.tracking.read}
}

// Leave lets nothing more be told to a client that is about to be gone. What is
// remembered for it goes with Forget.
func (t *Tracking) Leave(l *Client) {
	if l.tracking == nil {
		return
	}
	delete(t.clients, l)
	for _, prefix := range l.tracking.prefixes {
		t.dropPrefix(l, prefix)
	}
	l.tracking.prefixes = nil
}

// remember notes that a client has read a key.
func (t *Tracking) remember(l *Client, key []byte) {
	if l.tracking.read == nil {
		l.tracking.read = &registrations{client: l}
		if t.readers == nil {
			t.readers = make(map[*Client]struct{})
		}
		t.readers[l] = struct{}{}
	}
	l.tracking.read.add(&t.keys, key)
}

// forget takes a key out of the table, and returns the clients that have read it.
func (t *Tracking) forget(k *registeredName) []*Client {
	readers := slices.Collect(k.clients())
	k.drop()
	return readers
}

// forgetAll empties the table of keys.
func (t *Tracking) forgetAll() {
	for l := range t.readers {
		l.tracking.read = nil
	}
	clear(t.readers)
	t.keys, t.removals.list = registry{}, nil
	t.removals.pending.Store(0)
}

// Forget takes out of the table what is remembered for a client that is gone; if
// that is much, in pieces: see State.CleanUp.
func (t *Tracking) Forget(l *Client) {
	if l.tracking == nil {
		return
	}
	t.removals.start(l.tracking.read)
	l.tracking.read = nil
	delete(t.readers, l)
}

// addPrefix enters a prefix for a client that does not have it, and returns the text
// that all clients with it share.
func (t *Tracking) addPrefix(l *Client, prefix string) string {
	p := t.prefixes[prefix]
	if p == nil {
		p = &trackedPrefix{prefix: prefix, clients: make(map[*Client]struct{})}
		if t.prefixes == nil {
			t.prefixes = make(map[string]*trackedPrefix)
		}
		t.prefixes[prefix] = p
		t.texts += len(prefix)
		t.countLength(len(prefix), 1)
	}
	p.clients[l] = struct{}{}
	l.namesSize += len(prefix)
	return p.prefix
}

func (t *Tracking) dropPrefix(l *Client, prefix string) {
	p := t.prefixes[prefix]
	delete(p.clients, l)
	l.namesSize -= len(prefix)
	if len(p.clients) == 0 {
		delete(t.prefixes, prefix)
		t.texts -= len(prefix)
		t.countLength(len(prefix), -1)
	}
}

// countLength counts n prefixes more of a length.
func (t *Tracking) countLength(length, n int) {
	i, found := slices.BinarySearchFunc(t.lengths, length, func(l prefixLength, to int) int { return cmp.Compare(l.length, to) })
	if !found {
		t.lengths = slices.Insert(t.lengths, i, prefixLength{length: length})
	}
	if t.lengths[i].prefixes += n; t.lengths[i].prefixes == 0 {
		t.lengths = slices.Delete(t.lengths, i, i+1)
	}
}

// change notes, for each prefix of a key, that it has changed. It looks for one
// prefix of each length that occurs, so that many prefixes cost no more than few.
func (t *Tracking) change(key []byte, by *Client) {
	for _, l := range t.lengths {
		if l.length > len(key) {
			return
		}
		p := t.prefixes[string(key[:l.length])]
		if p == nil {
			continue
		}
		if len(p.changes) == 0 {
			p.changes = make(map[string]*Client)
			t.changed = append(t.changed, p)
		}
		p.changes[string(key)] = by
	}
}

// takeChanged returns the prefixes with changes, in order, and the changes as having
// been told.
func (t *Tracking) takeChanged() []*trackedPrefix {
	list := t.changed
	t.changed = nil
	slices.SortFunc(list, func(a, b *trackedPrefix) int { return cmp.Compare(a.prefix, b.prefix) })
	return list
}

// changedByOthers returns those of the keys that a client was not the last to change.
func (p *trackedPrefix) changedByOthers(l *Client, keys []string) []string {
	var others []string
	for _, key := range keys {
		if p.changes[key] != l {
			others = append(others, key)
		}
	}
	return others
}

// byKey reports whether a client is told of the keys that it has read.
func (t *Tracking) byKey(l *Client) bool {
	_, tracks := t.clients[l]
	return tracks && !l.tracking.broadcast
}

// IsTracking reports whether the client's next reads are remembered for invalidation, so
// that a read changes state. The client's own calls may ask without the engine's lock.
func (l *Client) IsTracking() bool {
	t := l.tracking
	return t != nil && t.on && !t.broadcast && (!t.optIn || t.caching)
}
