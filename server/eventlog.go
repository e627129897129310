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

// An eventLog writes a log line for each event, with the level and text of its
// row. It rate-limits lines and counts all events. It may be used from any
// goroutine, under any lock.
type eventLog struct {
	logger *slog.Logger
	clock  Clock
	counts [eventCount]atomic.Int64
	tasks  sync.WaitGroup // timers that are set and have not fired

	mu      sync.Mutex // guards all below; nothing is logged while it is held
	windows [eventCount]window
	closed  bool
}

// A window starts with a line and lasts for the row's period. Lines beyond the
// row's limit are suppressed. One line at the window's end says how many.
type window struct {
	start              time.Time
	logged, suppressed int
	end                timer
}

// reset ends the window, and returns how many lines it suppressed.
func (w *window) reset() (suppressed int) {
	suppressed = w.suppressed
	w.start, w.logged, w.suppressed = time.Time{}, 0, 0
	return suppressed
}

// log logs an event. args are keys and values as for slog. Text from clients
// must be quoted.
func (l *eventLog) log(e event, args ...any) {
	l.counts[e].Add(1)
	l.write(e, true, args)
}

// write writes a line; if limited, only if the rate limit allows it. A panic of
// the logger is dropped: there is nowhere to report it.
func (l *eventLog) write(e event, limited bool, args []any) {
	row := &eventRows[e]
	defer func() { recover() }()
	if l.logger.Enabled(context.Background(), row.level) && (!limited || l.allowed(e)) {
		l.logger.Log(context.Background(), row.level, row.text, args...)
	}
}

// allowed reports whether the rate limit allows one more line for e.
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

// endWindow ends a window and logs how many lines it suppressed.
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

// close ends all windows.
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

// maxQuoted is how many bytes of a client's text a log line shows.
const maxQuoted = 128

// quoted is a client's text as a value in a log line: non-printable characters
// are escaped as in a Go string, and long text is truncated.
type quoted string

// LogValue escapes the text. slog calls it only if the line is written.
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

// clientAttr identifies a client in a log line, by properties that never
// change.
func clientAttr(c *commands.Client) slog.Attr {
	return slog.Group("client", "id", c.ID, "addr", quoted(addrOf(c)))
}

// clientAndUserAttr is clientAttr with the user. The caller holds the engine's
// lock.
func clientAndUserAttr(c *commands.Client) slog.Attr {
	return slog.Group("client", "id", c.ID, "addr", quoted(addrOf(c)), "user", quoted(c.User.String()))
}

func addrOf(c *commands.Client) string {
	if c.Direct {
		return "direct" // as MONITOR shows calls of Do
	}
	return c.Addr
}

// logNotice logs a notice of a command.
func (l *eventLog) logNotice(n commands.LogEvent, c *commands.Client, args ...any) {
	safe := make([]any, 0, len(args)+1)
	if c != nil {
		safe = append(safe, clientAndUserAttr(c))
	}
	for i, a := range args {
		switch a := a.(type) {
		case string:
			if i%2 == 1 { // even ones are our own keys
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
