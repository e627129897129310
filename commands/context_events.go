package commands

import (
	"strconv"

	"github.com/parley-chat/parley/commands/resp"
)

// An Event is a class of keyspace notifications, as notify-keyspace-events
// selects them (https://redis.io/docs/latest/develop/use/keyspace-notifications/).
type Event uint16

// The classes, and the letters that select them.
const (
	eventKeyspace Event = 1 << iota // K: publish to __keyspace@<db>__:<key>
	eventKeyevent                   // E: publish to __keyevent@<db>__:<event>
	EventGeneric                    // g
	EventString                     // $
	eventList                       // l
	EventSet                        // s
	EventHash                       // h
	EventZSet                       // z
	eventExpired                    // x
	eventEvicted                    // e
	eventStream                     // t
	EventMiss                       // m, not in A
	eventModule                     // d
	eventNew                        // n, not in A

	eventAll = EventGeneric | EventString | eventList | EventSet | EventHash |
		EventZSet | eventExpired | eventEvicted | eventStream | eventModule
)

// Notify tells subscribers of keyspace notifications that something happened
// to a key. Handlers call it where Redis does, before or behind their reply: a
// client that is subscribed to its own events sees both in that order. Redis
// also tells some within a reply, which no client expects: those come behind it.
func (c *Context) Notify(class Event, event string, key []byte) {
	want := c.Config.Events
	if want&class == 0 {
		return
	}
	db := strconv.Itoa(c.index)
	if want&eventKeyspace != 0 {
		c.Publish([]byte("__keyspace@"+db+"__:"+string(key)), []byte(event))
	}
	if want&eventKeyevent != 0 {
		c.Publish([]byte("__keyevent@"+db+"__:"+event), key)
	}
}

// eventLetters is in the order in which CONFIG GET writes them.
var eventLetters = []struct {
	letter byte
	event  Event
}{
	{'g', EventGeneric}, {'$', EventString}, {'l', eventList}, {'s', EventSet},
	{'h', EventHash}, {'z', EventZSet}, {'x', eventExpired}, {'e', eventEvicted},
	{'t', eventStream}, {'d', eventModule}, {'n', eventNew},
	{'K', eventKeyspace}, {'E', eventKeyevent}, {'m', EventMiss},
}

// ParseEvents reads the letters of notify-keyspace-events.
func ParseEvents(letters string) (Event, error) {
	var e Event
next:
	for _, l := range []byte(letters) {
		if l == 'A' {
			e |= eventAll
			continue
		}
		for _, known := range eventLetters {
			if l == known.letter {
				e |= known.event
				continue next
			}
		}
		return 0, resp.Error("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
	}
	return e, nil
}

// letters returns the letters as CONFIG GET does, with A for the classes it stands
// for. Beside A, Redis does not show n either.
func (e Event) letters() string {
	var s []byte
	if e&eventAll == eventAll {
		s = append(s, 'A')
		e &^= eventAll | eventNew
	}
	for _, l := range eventLetters {
		if e&l.event != 0 {
			s = append(s, l.letter)
		}
	}
	return string(s)
}
