package server

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley/commands"
)

// A event log tells the operator what happens: one line for an event, with the
// level and the words of its row, unless there have just been many of the kind.
// It counts them all. Any goroutine may use it, under any lock.
type eventLog struct {
	logger *slog.Logger
	clock  Clock
	counts [events]atomic.Int64
	tasks  sync.WaitGroup // alarms that have been set and have not run

	mu      sync.Mutex // guards all below; nothing is logged under it
	windows [events]window
	closed  bool
}

// A window begins with a line and lasts as long as its row says. The lines beyond
// those that the row allows in that time are held back and told of in one, at
// its end.
type window struct {
	start              time.Time
	logged, suppressed int
	end                timer
}

// reset makes the next line begin a spell, and returns how many lines were held back.
func (s *window) reset() (held int) {
	held = s.suppressed
	s.start, s.logged, s.suppressed = time.Time{}, 0, 0
	return held
}

// log logs an event. args are as for slog: keys and values. What a client has
// sent must be quoted.
func (b *eventLog) log(o event, args ...any) {
	b.counts[o].Add(1)
	b.write(o, true, args)
}

// write writes a line, if there may be one more where that is to be asked. A logger
// that panics has nobody who could be told, and is no reason to end anything.
func (b *eventLog) write(o event, ask bool, args []any) {
	row := &eventRows[o]
	defer func() { recover() }()
	if b.logger.Enabled(context.Background(), row.level) && (!ask || b.allowed(o)) {
		b.logger.Log(context.Background(), row.level, row.text, args...)
	}
}

// allowed reports whether one more line of the kind may be written.
func (b *eventLog) allowed(o event) bool {
	row := &eventRows[o]
	if row.most == 0 {
		return true
	}
	now := b.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.windows[o]
	if !s.end.isSet() && now.Sub(s.start) >= row.within {
		s.start, s.logged, s.suppressed = now, 0, 0
	}
	if s.logged < row.most {
		s.logged++
		return true
	}
	s.suppressed++
	if !s.end.isSet() && !b.closed {
		s.end.set(b.timers(), row.within-now.Sub(s.start), func(n int) { b.endWindow(o, n) })
	}
	return false
}

func (b *eventLog) timers() timers { return timers{b.clock, &b.tasks} }

// endWindow ends a spell and tells how many lines it has held back.
func (b *eventLog) endWindow(o event, n int) {
	b.mu.Lock()
	held := 0
	if s := &b.windows[o]; s.end.fire(n) {
		held = s.reset()
	}
	b.mu.Unlock()
	b.writeHeld(o, held)
}

func (b *eventLog) writeHeld(o event, held int) {
	if row := &eventRows[o]; held > 0 {
		b.write(o, false, []any{"suppressed", held, "within", row.within})
	}
}

// close ends all spells.
func (b *eventLog) close() {
	b.mu.Lock()
	b.closed = true
	var held [events]int
	for o := range b.windows {
		if s := &b.windows[o]; s.end.isSet() {
			s.end.clear(b.timers())
			held[o] = s.reset()
		}
	}
	b.mu.Unlock()
	for o, n := range held {
		b.writeHeld(event(o), n)
	}
	b.tasks.Wait()
}

// maxQuoted is how many bytes of a client's text a line of the log shows.
const maxQuoted = 128

// quoted is text that a client has sent, as a value in a line of the log: what is
// not printable is escaped as in a Go string, and what is long is cut.
type quoted string

// LogValue makes the text harmless when a line is written, and only then.
func (q quoted) LogValue() slog.Value {
	text, more := string(q), ""
	if len(text) > maxQuoted {
		end := maxQuoted
		for end > maxQuoted-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		text, more = text[:end], "... ("+strconv.Itoa(len(text))+" bytes)"
	}
	escaped := strconv.Quote(text)
	return slog.StringValue(strings.ReplaceAll(escaped[1:len(escaped)-1], `\"`, `"`) + more)
}

// clientAttr names a client in a line of the log, by what never changes of it.
func clientAttr(l *commands.Client) slog.Attr {
	return slog.Group("client", "id", l.ID, "addr", quoted(addrOf(l)))
}

// clientUserAttr is who with the user, for those who hold the engine's lock.
func clientUserAttr(l *commands.Client) slog.Attr {
	return slog.Group("client", "id", l.ID, "addr", quoted(addrOf(l)), "user", quoted(l.User.String()))
}

func addrOf(l *commands.Client) string {
	if l.Direct {
		return "direct" // as MONITOR shows calls of Do
	}
	return l.Addr
}

// logNotice logs what a command tells of.
func (b *eventLog) logNotice(n commands.Notice, l *commands.Client, args ...any) {
	safe := make([]any, 0, len(args)+1)
	if l != nil {
		safe = append(safe, clientUserAttr(l))
	}
	for i, a := range args {
		switch a := a.(type) {
		case string:
			if i%2 == 1 { // keys are ours
				safe = append(safe, quoted(a))
				continue
			}
		case []byte:
			safe = append(safe, quoted(a))
			continue
		}
		safe = append(safe, a)
	}
	b.log(noticeEvents[n], safe...)
}
