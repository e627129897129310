package datastructs

import (
	"fmt"
	"maps"
	"slices"
)

// A Layer keeps what a Keyspace held at a moment, so that it can be told, or put
// back, later. To open one takes no time: from then on a key is remembered, with a
// copy of its value, before it first changes, and Clear hands all there is over as
// it stands. So a layer takes the memory of what has changed since, which no
// Account knows of, and a keyspace without any pays one look at a slice.
//
// The layers of a keyspace lie upon one another. Only the last takes anything in: what
// a key held at an earlier moment is in the first layer from then on that has it,
// or else is what it holds now.
type Layer struct {
	before map[string]PastValue
	rest   *Keyspace // all else that was there, if the keyspace has been cleared since
}

// A PastValue is what a key held at a moment, with its deadline and its mark of use.
type PastValue struct {
	value       Value // nil: there was no such key
	at          int64 // the deadline, if hasDeadline
	hasDeadline bool
	mark        uint32
}

// OpenLayer keeps what the keyspace holds now.
func (k *Keyspace) OpenLayer() *Layer {
	l := new(Layer)
	k.layers = append(k.layers, l)
	return l
}

// CloseLayer ends a layer of this keyspace, once. What only it remembers goes to the one beneath.
func (k *Keyspace) CloseLayer(l *Layer) {
	i := slices.Index(k.layers, l)
	if i > 0 {
		k.layers[i-1].merge(l)
	}
	k.layers = slices.Delete(k.layers, i, i+1)
	if len(k.layers) == 0 {
		k.layers = nil
	}
}

// merge makes a layer remember what the one above it does, where it does not itself.
func (l *Layer) merge(above *Layer) {
	if l.rest != nil {
		return // it remembers everything
	}
	if len(l.before) < len(above.before) { // the fewer go to the more
		maps.Copy(above.before, l.before)
		l.before = above.before
	} else {
		for key, p := range above.before {
			if _, known := l.before[key]; !known {
				l.before = put(l.before, key, p)
			}
		}
	}
	l.rest = above.rest
}

func put(m map[string]PastValue, key string, p PastValue) map[string]PastValue {
	if m == nil {
		m = make(map[string]PastValue)
	}
	m[key] = p
	return m
}

// beforeChange must be called with each key before it changes.
func (k *Keyspace) beforeChange(key []byte) {
	if k.layers != nil {
		k.saveToLayer(key)
	}
}

func (k *Keyspace) saveToLayer(key []byte) {
	l := k.layers[len(k.layers)-1]
	if l.rest != nil {
		return
	}
	if _, known := l.before[string(key)]; known {
		return
	}
	p := k.current(key)
	p.value = exactCopy(p.value)
	l.before = put(l.before, string(key), p)
}

// moveToLayer moves all data to the last layer, before the keyspace is cleared.
func (k *Keyspace) moveToLayer() {
	if k.layers == nil {
		return
	}
	if l := k.layers[len(k.layers)-1]; l.rest == nil {
		l.rest = &Keyspace{keys: k.keys, deadlines: k.deadlines, fields: k.fields}
	}
}

// current is what a key holds now: the value itself, not a copy.
func (k *Keyspace) current(key []byte) (p PastValue) {
	r, ok := k.keys.get(key)
	if !ok {
		return p
	}
	p.value, p.mark = r.value, k.Mark(key)
	p.at, p.hasDeadline = k.Deadline(key)
	return p
}

// exactCopy is a copy that nobody can tell from the value. Clone is not, of an integer:
// that is one more of those that Redis shares.
func exactCopy(v Value) Value {
	switch v := v.(type) {
	case nil:
		return nil
	case *String:
		if v.isInt() {
			c := *v
			return &c
		}
	}
	return v.Clone()
}

// ValueAt returns what a key held when a layer was opened; l may be nil, for now.
func (k *Keyspace) ValueAt(l *Layer, key string) PastValue {
	for _, l := range k.since(l) {
		if p, ok := l.before[key]; ok {
			return p
		}
		if l.rest != nil {
			return l.rest.current(bytesOf(key))
		}
	}
	return k.current(bytesOf(key))
}

// since lists the layers from one on.
func (k *Keyspace) since(l *Layer) []*Layer {
	if l == nil {
		return nil
	}
	return k.layers[slices.Index(k.layers, l):]
}

// ChangedSince lists the keys that may not hold what they did when a layer was
// opened, sorted.
func (k *Keyspace) ChangedSince(l *Layer) []string {
	keys, cleared := make(map[string]struct{}), false
	for _, l := range k.since(l) {
		for key := range l.before {
			keys[key] = struct{}{}
		}
		if l.rest != nil {
			l.rest.addKeys(keys)
			cleared = true
		}
	}
	if cleared {
		k.addKeys(keys)
	}
	return slices.Sorted(maps.Keys(keys))
}

// KeysAt lists the keys that there were when a layer was opened, sorted; l may be
// nil, for now. Expired ones are included.
func (k *Keyspace) KeysAt(l *Layer) []string {
	keys := make(map[string]struct{}, k.Len())
	for _, key := range k.ChangedSince(l) {
		keys[key] = struct{}{}
	}
	k.addKeys(keys)
	maps.DeleteFunc(keys, func(key string, _ struct{}) bool { return k.ValueAt(l, key).value == nil })
	return slices.Sorted(maps.Keys(keys))
}

func (k *Keyspace) addKeys(keys map[string]struct{}) {
	for key := range k.All() {
		keys[key] = struct{}{}
	}
}

// ResetLayer must be called once each key holds again what it did when a layer was opened.
// The last layer then drops what it has saved.
func (k *Keyspace) ResetLayer(l *Layer) {
	if k.layers[len(k.layers)-1] == l {
		*l = Layer{}
	}
}

// Value returns the value as it is to be seen at a time, to be read before anything
// changes; nil if there was none, or if it has expired by then.
func (p PastValue) Value(now int64) Value {
	if p.value == nil || p.hasDeadline && now > p.at {
		return nil
	}
	if h, ok := p.value.(*Hash); ok && h.expiry != nil && h.allExpired(now) {
		return nil
	}
	return visibleAt(p.value, now)
}

// Copy is Value, to be put into a keyspace.
func (p PastValue) Copy(now int64) Value { return exactCopy(p.Value(now)) }

// Deadline returns the last millisecond of the key's life, if it had one.
func (p PastValue) Deadline() (at int64, ok bool) { return p.at, p.hasDeadline }

// Mark is that of Keyspace.Mark.
func (p PastValue) Mark() uint32 { return p.mark }

// checkLayers is the part of Check that looks at what is remembered.
func (k *Keyspace) checkLayers() error {
	for i, l := range k.layers {
		for key, p := range l.before {
			if p.value == nil {
				continue
			}
			if err := p.value.Check(); err != nil {
				return fmt.Errorf("keyspace: layer %d: %q: %w", i, key, err)
			}
		}
		if l.rest == nil {
			continue
		}
		if err := l.rest.Check(); err != nil {
			return fmt.Errorf("keyspace: layer %d: %w", i, err)
		}
	}
	return nil
}

// OpenedBefore reports whether one layer was opened before another.
func (k *Keyspace) OpenedBefore(l, before *Layer) bool {
	return slices.Index(k.layers, l) < slices.Index(k.layers, before)
}

// HasLayers reports whether any layer is open.
func (k *Keyspace) HasLayers() bool { return k.layers != nil }
