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
	counts [eventCount]atomic.Int64
	tasks  sync.WaitGroup // alarms that have been set and have not run

	mu      sync.Mutex // guards all below; nothing is logged under it
	windows [eventCount]window
	closed  bool
}

// A window begins with a line and lasts as long as its row says. The lines beyond
// those that the row allows in that time are suppressed back and told of in one, at
// its end.
type window struct {
	start              time.Time
	logged, suppressed int
	end                timer
}

// reset makes the next line begin a spell, and returns how many lines were suppressed back.
func (w *window) reset() (suppressed int) {
	suppressed = w.suppressed
	w.start, w.logged, w.suppressed = time.Time{}, 0, 0
	return suppressed
}

// log logs an event. args are as for slog: keys and values. What a client has
// sent must be quoted.
func (l *eventLog) log(e event, args ...any) {
	l.counts[e].Add(1)
	l.write(e, true, args)
}

// write writes a line, if there may be one more where that is to be asked. A logger
// that panics has nobody who could be told, and is no reason to end anything.
func (l *eventLog) write(e event, limited bool, args []any) {
	row := &eventRows[e]
	defer func() { recover() }()
	if l.logger.Enabled(context.Background(), row.level) && (!limited || l.allowed(e)) {
		l.logger.Log(context.Background(), row.level, row.text, args...)
	}
}

// allowed reports whether one more line of the kind may be written.
func (l *eventLog) allowed(e event) bool {
	row := &eventRows[e]
	if row.limit == 0 {
		return true
	}
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &l.windows[e]
	if !w.end.isSet() && now.Sub(w.start) >= row.within {
		w.start, w.logged, w.suppressed = now, 0, 0
	}
	if w.logged < row.limit {
		w.logged++
		return true
	}
	w.suppressed++
	if !w.end.isSet() && !l.closed {
		w.end.set(l.timers(), row.within-now.Sub(w.start), func(n int) { l.endWindow(e, n) })
	}
	return false
}

func (l *eventLog) timers() timers { return timers{l.clock, &l.tasks} }

// endWindow ends a spell and tells how many lines it has suppressed back.
func (l *eventLog) endWindow(e event, n int) {
	l.mu.Lock()
	suppressed := 0
	if w := &l.windows[e]; w.end.fire(n) {
		suppressed = w.reset()
	}
	l.mu.Unlock()
	l.writeSuppressed(e, suppressed)
}

func (l *eventLog) writeSuppressed(e event, suppressed int) {
	if row := &eventRows[e]; suppressed > 0 {
		l.write(e, false, []any{"suppressed", suppressed, "within", row.within})
	}
}

// close ends all spells.
func (l *eventLog) close() {
	l.mu.Lock()
	l.closed = true
	var suppressed [eventCount]int
	for e := range l.windows {
		if w := &l.windows[e]; w.end.isSet() {
			w.end.clear(l.timers())
			suppressed[e] = w.reset()
		}
	}
	l.mu.Unlock()
	for e, n := range suppressed {
		l.writeSuppressed(event(e), n)
	}
	l.tasks.Wait()
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
func clientAttr(c *commands.Client) slog.Attr {
	return slog.Group("client", "id", c.ID, "addr", quoted(addrOf(c)))
}

// clientUserAttr is who with the user, for those who hold the engine's lock.
func clientAndUserAttr(c *commands.Client) slog.Attr {
	return slog.Group("client", "id", c.ID, "addr", quoted(addrOf(c)), "user", quoted(c.User.String()))
}

func addrOf(c *commands.Client) string {
	if c.Direct {
		return "direct" // as MONITOR shows calls of Do
	}
	return c.Addr
}

// logNotice logs what a command tells of.
func (l *eventLog) logNotice(n commands.LogEvent, c *commands.Client, args ...any) {
	safe := make([]any, 0, len(args)+1)
	if c != nil {
		safe = append(safe, clientAndUserAttr(c))
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
	l.log(noticeEvents[n], safe...)
}
