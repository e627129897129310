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

// A logbook tells the operator what happens: one line for an occasion, with the
// level and the words of its row, unless there have just been many of the kind.
// It counts them all. Any goroutine may use it, under any lock.
type logbook struct {
	logger *slog.Logger
	clock  Clock
	counts [occasions]atomic.Int64
	tasks  sync.WaitGroup // alarms that have been set and have not run

	mu     sync.Mutex // guards all below; nothing is logged under it
	spells [occasions]spell
	closed bool
}

// A spell begins with a line and lasts as long as its row says. The lines beyond
// those that the row allows in that time are held back and told of in one, at
// its end.
type spell struct {
	begun      time.Time
	told, held int
	end        timer
}

// reset makes the next line begin a spell, and returns how many lines were held back.
func (s *spell) reset() (held int) {
	held = s.held
	s.begun, s.told, s.held = time.Time{}, 0, 0
	return held
}

// tell logs an occasion. args are as for slog: keys and values. What a client has
// sent must be quoted.
func (b *logbook) tell(o occasion, args ...any) {
	b.counts[o].Add(1)
	b.write(o, true, args)
}

// write writes a line, if there may be one more where that is to be asked. A logger
// that panics has nobody who could be told, and is no reason to end anything.
func (b *logbook) write(o occasion, ask bool, args []any) {
	row := &occasionRows[o]
	defer func() { recover() }()
	if b.logger.Enabled(context.Background(), row.level) && (!ask || b.lets(o)) {
		b.logger.Log(context.Background(), row.level, row.text, args...)
	}
}

// lets reports whether one more line of the kind may be written.
func (b *logbook) lets(o occasion) bool {
	row := &occasionRows[o]
	if row.most == 0 {
		return true
	}
	now := b.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.spells[o]
	if !s.end.isSet() && now.Sub(s.begun) >= row.within {
		s.begun, s.told, s.held = now, 0, 0
	}
	if s.told < row.most {
		s.told++
		return true
	}
	s.held++
	if !s.end.isSet() && !b.closed {
		s.end.set(b.timers(), row.within-now.Sub(s.begun), func(n int) { b.end(o, n) })
	}
	return false
}

func (b *logbook) timers() timers { return timers{b.clock, &b.tasks} }

// end ends a spell and tells how many lines it has held back.
func (b *logbook) end(o occasion, n int) {
	b.mu.Lock()
	held := 0
	if s := &b.spells[o]; s.end.fire(n) {
		held = s.reset()
	}
	b.mu.Unlock()
	b.writeHeld(o, held)
}

func (b *logbook) writeHeld(o occasion, held int) {
	if row := &occasionRows[o]; held > 0 {
		b.write(o, false, []any{"suppressed", held, "within", row.within})
	}
}

// close ends all spells.
func (b *logbook) close() {
	b.mu.Lock()
	b.closed = true
	var held [occasions]int
	for o := range b.spells {
		if s := &b.spells[o]; s.end.isSet() {
			s.end.clear(b.timers())
			held[o] = s.reset()
		}
	}
	b.mu.Unlock()
	for o, n := range held {
		b.writeHeld(occasion(o), n)
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

// who names a client in a line of the log, by what never changes of it.
func who(l *commands.Client) slog.Attr {
	return slog.Group("client", "id", l.ID, "addr", quoted(addrOf(l)))
}

// whoIs is who with the user, for those who hold the engine's lock.
func whoIs(l *commands.Client) slog.Attr {
	return slog.Group("client", "id", l.ID, "addr", quoted(addrOf(l)), "user", quoted(l.User.String()))
}

func addrOf(l *commands.Client) string {
	if l.Direct {
		return "direct" // as MONITOR shows calls of Do
	}
	return l.Addr
}

// notice logs what a command tells of.
func (b *logbook) notice(n commands.Notice, l *commands.Client, args ...any) {
	safe := make([]any, 0, len(args)+1)
	if l != nil {
		safe = append(safe, whoIs(l))
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
	b.tell(noticeOccasions[n], safe...)
}
