package oracle

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// The keys that each side invalidates for clients with CLIENT TRACKING. A
// client in broadcast mode is notified of each changed key, one in default mode
// of keys that it has read. Order, grouping into messages, and the time of
// expiry may differ.

// endOfInvalidations is what the trackers send, to know that they have read all
// messages.
const endOfInvalidations = "oracle:end"

// trackings are the calls that turn tracking on, one for each tracker.
var trackings = [2][]string{{"CLIENT", "TRACKING", "ON", "BCAST"}, {"CLIENT", "TRACKING", "ON"}}

// trackers are the connections to one side that receive invalidations.
type trackers [len(trackings)]*tracker

type tracker struct {
	*wire
	told invalidated // not compared yet
}

// invalidated is what a tracker has received: keys, and the number of messages
// that invalidate all keys.
type invalidated struct {
	keys map[string]bool
	all  int
}

// track opens connections that receive invalidations.
func (p *pair) track() error {
	for side := range p.sides {
		for i, tracking := range trackings {
			w := p.wire(side)
			if w == nil {
				return fmt.Errorf("%s does not accept connections", p.sides[side].Name)
			}
			replies, err := w.ask([][]string{{"HELLO", "3"}, tracking})
			if err != nil {
				return err
			}
			if !replies[1].is("+OK\r\n") {
				return fmt.Errorf("%s: %q: %s", p.sides[side].Name, tracking, replies[1])
			}
			p.trackers[side][i] = &tracker{wire: w}
		}
	}
	return nil
}

// takeInvalidations returns what all trackers have received since the last
// time.
func (p *pair) takeInvalidations() (told [2][len(trackings)]invalidated, err error) {
	for side := range p.trackers {
		for i, t := range p.trackers[side] {
			if err := t.hear(); err != nil {
				return told, fmt.Errorf("%s: %w", p.sides[side].Name, err)
			}
			told[side][i], t.told = t.told, invalidated{}
		}
	}
	return told, nil
}

// compareInvalidations compares what the trackers have received, except keys
// that have expired on either side. It was read before the events, so the event
// of a key that expired in between was early: those of the last time count.
func (p *pair) compareInvalidations(d *Difference, told [2][len(trackings)]invalidated) error {
	for i, tracking := range trackings {
		for side := range told {
			maps.DeleteFunc(told[side][i].keys, func(key string, _ bool) bool {
				return p.expired[0][key] || p.expired[1][key]
			})
		}
		a, b := told[0][i], told[1][i]
		if maps.Equal(a.keys, b.keys) && a.all == b.all {
			continue
		}
		d.Replies[0] = fmt.Sprintf("%q: invalid only here %q, all keys %d times", tracking, a.besides(b), a.all)
		d.Replies[1] = fmt.Sprintf("%q: invalid only here %q, all keys %d times", tracking, b.besides(a), b.all)
		return d
	}
	return nil
}

// readTracked has a tracker of each side read half of the keys that there are
// and of those that have changed: of these some are gone, and may come again. Of
// the other half it is not to hear.
func (p *pair) readTracked(there []record, changed invalidated) error {
	keys := make(map[string]bool)
	maps.Copy(keys, changed.keys)
	for _, r := range there {
		keys[r.key] = true
	}
	read := []string{"EXISTS"}
	for i, key := range slices.Sorted(maps.Keys(keys)) {
		if i%2 == 0 {
			read = append(read, key)
		}
	}
	if len(keys) == 0 { // EXISTS needs one
		return nil
	}
	for side := range p.trackers {
		if err := p.trackers[side][1].hear(read); err != nil {
			return fmt.Errorf("%s: %w", p.sides[side].Name, err)
		}
	}
	return nil
}

// hear sends calls that reply with numbers, and records invalidations until
// they have run.
func (t *tracker) hear(calls ...[]string) error {
	var request []byte
	for _, words := range append(calls, []string{"ECHO", endOfInvalidations}) {
		request = appendCall(request, words)
	}
	t.conn.SetDeadline(time.Now().Add(patience))
	written := make(chan error, 1)
	go func() { // as in roundTrip
		_, err := t.conn.Write(request)
		written <- err
	}()
	for {
		r, err := readReply(t.r)
		if err != nil {
			return err
		}
		n := r.node()
		switch {
		case n.kind == '$' && n.text == endOfInvalidations:
			return <-written
		case n.kind == ':':
		case n.kind == '>' && len(n.elems) == 2 && n.elems[0].text == "invalidate":
			t.told.add(n.elems[1])
		default:
			return fmt.Errorf("a tracker was sent %s", r)
		}
	}
}

// add records the keys of a message, or that it invalidates all.
func (t *invalidated) add(keys node) {
	if keys.null() {
		t.all++
		return
	}
	if t.keys == nil {
		t.keys = make(map[string]bool)
	}
	for _, key := range keys.leaves() {
		t.keys[key] = true
	}
}

// besides lists the keys that the other has not received.
func (t invalidated) besides(other invalidated) []string {
	return without(slices.Sorted(maps.Keys(t.keys)), slices.Collect(maps.Keys(other.keys)))
}
