package commands

import (
	"bytes"
	"errors"
	"slices"
	"strconv"

	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/datastructs/rdb"
)

// A Snapshot is what all databases held at a moment. To take one costs a Layer for
// each database, whatever they hold; see there what it costs from then on.
type Snapshot struct {
	state     *State
	databases []snapshotDB // by the number that the database had
}

type snapshotDB struct {
	db    *datastructs.Keyspace
	layer *datastructs.Layer
}

// Snapshot keeps what all databases hold now.
func (s *State) Snapshot() *Snapshot {
	t := &Snapshot{state: s}
	for _, db := range s.Databases {
		t.databases = append(t.databases, snapshotDB{db, db.OpenLayer()})
	}
	return t
}

// Release lets a snapshot go: it can be used no more. To call it again does nothing.
func (t *Snapshot) Release() {
	for _, p := range t.databases {
		p.db.CloseLayer(p.layer)
	}
	t.databases = nil
}

// No client is told of these.
var (
	errReleased     = errors.New("the snapshot has been released, or was taken of a server that was closed")
	errOtherServers = errors.New("the snapshot is of another server")
)

// usable is why a snapshot is of no use here, or nil.
func (s *State) usable(t *Snapshot) error {
	switch {
	case t == nil || t.databases == nil:
		return errReleased
	case t.state != s:
		return errOtherServers
	}
	return nil
}

// Compare calls f for each key that may differ between two moments, in order of
// databases and keys, with what it held at each. b may be nil, for now. If nobody has
// exchanged databases in between it looks only at what has changed.
func (s *State) Compare(a, b *Snapshot, f func(db int, key string, was, is datastructs.PastValue)) error {
	if err := s.usable(a); err != nil {
		return err
	}
	after := make([]snapshotDB, len(s.Databases))
	for i, db := range s.Databases {
		after[i].db = db
	}
	if b != nil {
		if err := s.usable(b); err != nil {
			return err
		}
		after = b.databases
	}
	for i, was := range a.databases {
		is := after[i]
		for _, key := range keysThatDiffer(was, is) {
			f(i, key, was.db.ValueAt(was.layer, key), is.db.ValueAt(is.layer, key))
		}
	}
	return nil
}

func keysThatDiffer(a, b snapshotDB) []string {
	if a.db == b.db {
		first := a.layer
		if b.layer != nil && !a.db.OpenedBefore(a.layer, b.layer) {
			first = b.layer
		}
		return a.db.ChangedSince(first)
	}
	keys := append(a.db.KeysAt(a.layer), b.db.KeysAt(b.layer)...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Restore makes all databases hold what they did at a snapshot, by ordinary changes
// of those keys that hold something else: a RESTORE or a DEL each, as one unit, and
// a SWAPDB where databases have been exchanged. Deadlines are points in time: what
// has expired since the snapshot by the clock is not there. Other snapshots, older and newer
// ones, remain what they are.
func (c *Context) Restore(t *Snapshot) error {
	if err := c.usable(t); err != nil {
		return err
	}
	row := Command{Name: "restore", Flags: Write, Run: func(c *Context) error {
		c.call.logged = true
		c.restoreOrder(t)
		for i, p := range t.databases {
			c.In(i, func() { c.rewind(p.layer) })
		}
		return nil
	}}
	return c.Perform(&row, [][]byte{[]byte(row.Name)}).Err
}

// restoreOrder gives databases the numbers that they had.
func (c *Context) restoreOrder(t *Snapshot) {
	for i, p := range t.databases {
		j := slices.Index(c.Databases, p.db)
		if i == j {
			continue
		}
		if c.Databases[i].Len()+p.db.Len() == 0 { // which is no change, and tells nobody
			c.Databases[i], c.Databases[j] = c.Databases[j], c.Databases[i]
			c.selectDB(c.index)
			continue
		}
		c.swap(i, j)
		c.addEffect(Effect{c.index, [][]byte{[]byte("SWAPDB"), strconv.AppendInt(nil, int64(i), 10), strconv.AppendInt(nil, int64(j), 10)}})
	}
}

// rewind makes the current database hold what it did when a layer was opened.
func (c *Context) rewind(l *datastructs.Layer) {
	for _, key := range c.DB.ChangedSince(l) {
		c.restoreKey([]byte(key), c.DB.ValueAt(l, key))
	}
	c.DB.ResetLayer(l)
}

// restoreKey makes a key hold what it did.
func (c *Context) restoreKey(key []byte, p datastructs.PastValue) {
	v := p.Copy(c.Now)
	at, hasDeadline := p.Deadline()
	switch old := c.DB.Peek(key, c.Now); {
	case v == nil && old == nil:
		return
	case v == nil:
		c.Delete(key)
		c.Notify(EventGeneric, "del", key)
		c.emitValue(key, nil)
		return
	case old == nil || !sameValue(v, old) || !c.deadlineEquals(key, at, hasDeadline):
		place(c, key, v, at, hasDeadline)
		c.Notify(EventGeneric, "restore", key)
		c.emitValue(key, v)
	}
	c.DB.SetMark(key, p.Mark())
}

func (c *Context) deadlineEquals(key []byte, at int64, hasDeadline bool) bool {
	now, has := c.DB.Deadline(key)
	return has == hasDeadline && (!has || now == at)
}

// sameValue reports whether nobody can tell two values apart.
func sameValue(a, b datastructs.Value) bool {
	if a.Kind() != b.Kind() || a.Encoding() != b.Encoding() || !bytes.Equal(rdb.Append(nil, a), rdb.Append(nil, b)) {
		return false
	}
	x, ok := a.(*datastructs.Hash)
	if !ok {
		return true
	}
	y := b.(*datastructs.Hash)
	if x.NumDeadlines() != y.NumDeadlines() {
		return false
	}
	for field := range x.All() {
		was, had := x.Deadline(field)
		is, has := y.Deadline(field)
		if had != has || was != is {
			return false
		}
	}
	return true
}
