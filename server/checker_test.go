package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
	"github.com/parley-chat/parley/internal/test/transcript"
)

// A checker makes calls on a server and holds each against the rules that must
// hold for every command.
type checker struct {
	t        testing.TB
	protocol int
	server   *Server
	clock    *ManualClock
	conns    map[string]*checkedConn
	ask      asker
	held     []string // by the server, before what is under way
	effects  []effect // of the call under way
	evicted  int      // keys that went before it, of which each is an effect
	copies   []*follower
	context  string // what is under way, for messages
}

// An effect is a command that a change amounts to.
type effect struct {
	db    int
	words []string
}

// String is the effect behind its database.
func (e effect) String() string { return fmt.Sprintf("%d> %q", e.db, e.words) }

// A follower is a server that only replays effects, those that its version of
// Redis has; "": all of them.
type follower struct {
	name    string
	ask     asker
	version string
}

// A checkedConn is read by its outbox, so that nothing is missed and
// nobody waits.
type checkedConn struct {
	*memoryConn
	replies *resp.Reader
	owed    bool // a call waits
	mute    bool // and will not be answered
}

// newChecker starts a server, and one that follows it by its effects. Their
// clocks differ: an effect must not depend on when it is run. Both are in the
// future, so that a real Redis that follows does not find deadlines passed.
func newChecker(t testing.TB, protocol int, now time.Time) *checker {
	const seed = 1
	start := time.UnixMilli(now.UnixMilli()).Add(24 * time.Hour)
	w := &checker{
		t: t, protocol: protocol,
		clock: NewManualClock(start),
		conns: make(map[string]*checkedConn),
	}
	w.server = newClosed(t, Options{Strict: true, Clock: w.clock, Seed: seed})
	w.ask = askDirectly(t, w.server)
	w.server.engine.state.Effects = func(unit []commands.Effect) {
		for _, e := range unit {
			w.effects = append(w.effects, effect{e.DB, stringsOf(e.Words)})
		}
	}
	second := newClosed(t, Options{Strict: true, Clock: NewManualClock(start.Add(-12 * time.Hour)), Seed: seed + 1})
	w.follow("a second parley", askDirectly(t, second), "")
	return w
}

func newClosed(t testing.TB, o Options) *Server {
	s, err := New(o)
	require.NoError(t, err)
	harness.CloseAtEnd(t, s)
	return s
}

func stringsOf(words [][]byte) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return list
}

func (w *checker) follow(name string, ask asker, version string) {
	w.copies = append(w.copies, &follower{name, ask, version})
}

// knows reports whether the follower has the command of an effect.
func (f *follower) knows(row *commands.Command) bool { return !transcript.Older(f.version, row.Since) }

// differs compares what a follower holds with a dump. One that knows no deadlines
// of fields holds all the rest.
func (f *follower) differs(want []string) string {
	got := dumpKeys
	if f.version == "" {
		got = dump
	} else {
		want = slices.DeleteFunc(slices.Clone(want), func(line string) bool { return strings.Contains(line, expires) })
	}
	if got := got(f.ask); !slices.Equal(want, got) {
		return "the data:\n" + difference(want, got)
	}
	return ""
}

func (w *checker) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\n%s", w.context, fmt.Sprintf(format, args...))
}

func (w *checker) open(name string) *checkedConn {
	if c := w.conns[name]; c != nil {
		return c
	}
	conn, err := w.server.Dial()
	require.NoError(w.t, err)
	c := &checkedConn{memoryConn: conn.(*memoryConn), replies: resp.NewReader(conn)}
	w.conns[name] = c
	if w.protocol == 3 {
		c.Write(harness.Encode("HELLO", "3"))
		w.drain(c)
	}
	return c
}

// drain returns all that has been sent on a connection.
func (w *checker) drain(c *checkedConn) (values []resp.Value) {
	for {
		size, _ := c.session.out.usage()
		if size == 0 && len(c.rest) == 0 && c.replies.Buffered() == 0 {
			return values
		}
		v, err := c.replies.Read()
		if err != nil {
			w.fail("what was sent is no reply: %v", err)
		}
		values = append(values, v)
	}
}

// call makes a call, checks all rules, and returns what was sent back on the
// connection. ok is false if no call can be made on it: it is closed, or a call
// waits.
func (w *checker) call(name string, words []string) (values []resp.Value, ok bool) {
	w.t.Helper()
	c := w.open(name)
	if c.owed || c.session.finished.Load() {
		return nil, false
	}
	row, _ := commands.Standard().Find(wordsOf(words))
	mayBeMute := c.session.client.Muted() || row != nil && row.FullName() == "client|reply"
	queues := c.session.client.Multi != nil && (row == nil || !row.Has(commands.Immediate))
	w.context = fmt.Sprintf("%s> %q in RESP%d", name, words, w.protocol)
	w.effects = nil
	gone := w.server.engine.state.Stats.Evicted.Load()
	if _, err := c.Write(harness.Encode(words...)); err != nil {
		w.fail("Write: %v", err)
	}
	values = w.drain(c)
	w.checkCount(c, row, values, mayBeMute)
	answered := w.checkOthers(c)
	after := w.checkData()
	changed := !slices.Equal(w.held, after)
	w.evicted = int(w.server.engine.state.Stats.Evicted.Load() - gone)
	switch {
	case w.evicted > 0: // before the call, whatever that is
	case len(values) == 1 && values[0].Type == resp.TypeError && (changed || len(w.effects) > 0):
		w.fail("the error %s, and yet a change: %s", values[0], w.change(after))
	case (queues || row != nil && row.Has(commands.ReadOnly)) && (changed || len(w.effects) > 0):
		w.fail("a call that only reads, and yet a change: %s", w.change(after))
	case row != nil && !row.Has(commands.Write) && row.Name != "exec" && answered == 0 && (changed || len(w.effects) > 0):
		w.fail("a row without the flag Write, and yet a change: %s", w.change(after))
	}
	w.held = after
	return values, true
}

// advance lets time pass: keys expire, calls that wait are answered.
func (w *checker) advance(d time.Duration) {
	w.context = fmt.Sprintf("! advance %v", d)
	w.effects = nil
	w.clock.Advance(d)
	w.checkOthers(nil)
	w.held = w.checkData()
}

// pushes are the first words of what comes without being asked for.
var pushes = []string{
	"message", "pmessage", "smessage", "subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe",
	"invalidate", "tracking-redir-broken",
}

func isPush(v resp.Value) bool {
	return len(v.Elems) > 0 && slices.Contains(pushes, v.Elems[0].Str) &&
		(v.Type == resp.TypePush || v.Type == resp.TypeArray)
}

// checkCount: one call gives one reply, unless it waits. The commands that
// answer with pushes give at least one of them. A client that wants no replies
// gets none but to what makes it want them again.
func (w *checker) checkCount(c *checkedConn, row *commands.Command, values []resp.Value, mayBeMute bool) {
	w.t.Helper()
	replies := slices.DeleteFunc(slices.Clone(values), isPush)
	want := 1
	switch {
	case c.session.isBlocked.Load():
		c.owed, c.mute, want = true, c.session.client.Muted(), 0
	case row != nil && slices.Contains(pushes, row.Name) && len(replies) == 0 && len(values) > 0:
		want = 0
	case mayBeMute && len(replies) == 0:
		want = 0
	}
	if len(replies) != want {
		w.fail("want %d replies, got %d: %v", want, len(replies), values)
	}
}

// checkOthers: others are sent pushes only, or the reply that they wait for. It
// returns how many such replies there were: the calls may have been held back.
func (w *checker) checkOthers(caller *checkedConn) (answered int) {
	w.t.Helper()
	for name, c := range w.conns {
		if c == caller {
			continue
		}
		replies := slices.DeleteFunc(w.drain(c), isPush)
		want := 0
		if c.owed && !c.session.isBlocked.Load() && !c.session.out.isKilled() {
			c.owed = false
			answered++
			if !c.mute {
				want = 1
			}
		}
		if len(replies) != want {
			w.fail("connection %q: want %d replies, got %d: %v", name, want, len(replies), replies)
		}
	}
	return answered
}

func (o *outbox) isKilled() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.killed
}

// checkData: changes have effects, which give all followers the same data; and
// no key holds an empty value.
func (w *checker) checkData() (after []string) {
	w.t.Helper()
	after = dump(w.ask)
	for _, db := range w.server.engine.state.Databases {
		if err := db.Check(); err != nil {
			w.fail("%v", err)
		}
	}
	for _, line := range after {
		if strings.HasSuffix(line, nothing) {
			w.fail("a key that holds nothing: %s", line)
		}
	}
	if len(w.effects) == 0 {
		// What has expired and is kept (DEBUG SET-ACTIVE-EXPIRE) is told of when it goes.
		if !slices.Equal(w.held, after) && !w.server.engine.state.KeepExpired {
			w.fail("a change without an effect: %s", w.change(after))
		}
		return after
	}
	for _, f := range w.copies {
		w.tell(f)
		if difference := f.differs(after); difference != "" {
			w.fail("%s differs after the effects %v: %s", f.name, w.effects, difference)
		}
	}
	return after
}

// unlogged are commands that are no effects: what they do depends on chance, on
// when they run, or on how a machine adds floats.
var unlogged = []string{
	"EXPIRE", "GETDEL", "GETEX", "HEXPIRE", "HEXPIREAT", "HGETDEL", "HGETEX", "HINCRBYFLOAT", "HPEXPIRE", "HSETEX",
	"INCRBYFLOAT", "PEXPIRE", "PSETEX", "SETEX", "SPOP",
}

// tell replays the effects on a follower.
func (w *checker) tell(f *follower) {
	w.t.Helper()
	for _, e := range w.effects {
		name := strings.ToUpper(e.words[0])
		row, err := commands.Standard().Find(wordsOf(e.words))
		if err != nil || !row.Has(commands.Write) || slices.Contains(unlogged, name) {
			w.fail("the effect %q is no write, or not a plain one", e.words)
		}
		if !f.knows(row) {
			continue
		}
		replies := f.ask([]string{"SELECT", strconv.Itoa(e.db)}, e.words)
		if err := replies[1].Err(); err != nil {
			w.fail("%s refuses the effect %q: %v", f.name, e.words, err)
		}
	}
}

func (w *checker) change(after []string) string {
	return fmt.Sprintf("effects %v\n%s", w.effects, difference(w.held, after))
}

// difference lists the lines that only one of two dumps has.
func difference(a, b []string) string {
	var text strings.Builder
	for _, line := range a {
		if !slices.Contains(b, line) {
			fmt.Fprintf(&text, "- %s\n", line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			fmt.Fprintf(&text, "+ %s\n", line)
		}
	}
	return text.String()
}
