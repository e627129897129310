package servertest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/testkit"
)

// endPatience is how long what a test has ended may take to be over: a client
// library that closes its connections in a goroutine, or a kernel that has yet to
// tell that a socket was closed.
const leakTimeout = time.Second

// awaitNone waits until list lists nothing, and returns what is left then. It has
// nobody who would tell it, so it looks, less and less often.
func pollUntilEmpty(list func() []string) (left []string) {
	pause := time.Millisecond
	for waited := time.Duration(0); waited <= leakTimeout; waited += pause {
		if left = list(); len(left) == 0 {
			return nil
		}
		time.Sleep(pause)
		pause = min(2*pause, leakTimeout/10)
	}
	return left
}

// leftOpen describes the connections there are, with what each holds, and the calls
// of Do that wait.
func (s *Server) openConnections() (open []string) {
	testkit.Inspect(s.Kit, func(state *commands.State) {
		waiting := make(map[*commands.Client]string)
		var direct []string
		for _, c := range state.WaitingCalls() {
			waiting[c.Client] = "blocked in " + commandName(c)
			if c.Postponed {
				waiting[c.Client] = "held back in " + commandName(c)
			}
			if c.Client.Direct {
				direct = append(direct, fmt.Sprintf("a call of Do waits: %s %q", commandName(c), c.Command.Redact(c.Args)[1:]))
			}
		}
		for _, l := range state.Clients.All() {
			open = append(open, describe(&state.Channels, l, waiting[l]))
		}
		open = append(open, direct...)
	})
	return open
}

// nameOf names a call that waits. A fault holds back also those of whose name there
// is no command.
func commandName(c commands.WaitingCall) string {
	if c.Command == nil {
		return fmt.Sprintf("%q", c.Args[0])
	}
	return c.Command.FullName()
}

// describe says who a client is and what it has not let go of; waits is about its
// call that waits, if one does.
func describe(channels *commands.Channels, l *commands.Client, waits string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "a connection is left open: client %d", l.ID)
	if l.Name != "" {
		fmt.Fprintf(&b, " (%s)", l.Name)
	}
	switch {
	case waits != "":
		b.WriteString(", " + waits)
	case l.Last != nil:
		fmt.Fprintf(&b, ", last call %s", l.Last.FullName())
	}
	for kind, words := range []string{"subscribed to", "subscribed to patterns", "subscribed to shard channels"} {
		if names := channels.Of(l, commands.SubscriptionKind(kind)); len(names) > 0 {
			fmt.Fprintf(&b, ", %s %q", words, names)
		}
	}
	return b.String()
}

// A mark is on all goroutines that a test starts, and that these start: a label of
// package runtime/pprof, which goroutines inherit.
type goroutineLabel struct {
	number int64
	before int  // goroutines there were
	shared bool // other tests had servers meanwhile
}

const labelKey = "servertest"

var (
	lastLabel    atomic.Int64 // given out
	runningTests atomic.Int64 // of tests that have not ended
)

// newMark marks the calling goroutine, which is that of a test.
func newGoroutineLabel() *goroutineLabel {
	m := &goroutineLabel{number: lastLabel.Add(1), before: runtime.NumGoroutine()}
	m.shared = runningTests.Add(1) > 1
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(labelKey, m.label())))
	return m
}

// end takes the mark off the calling goroutine, and lists those that still have it.
func (m *goroutineLabel) end() []string {
	pprof.SetGoroutineLabels(context.Background())
	m.shared = runningTests.Add(-1) > 0 || m.shared || lastLabel.Load() != m.number
	return pollUntilEmpty(m.goroutines)
}

func (m *goroutineLabel) label() string { return strconv.FormatInt(m.number, 10) }

// goroutines lists the marked ones. To list takes longer than all else of a server
// in a test, so a test that has been alone, with no more goroutines than before it,
// is taken at its word.
func (m *goroutineLabel) goroutines() (stacks []string) {
	if !m.shared && runtime.NumGoroutine() <= m.before {
		return nil
	}
	var profile bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&profile, 1)
	label := fmt.Sprintf("# labels: {%q:%q}", labelKey, m.label())
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, label) {
			stacks = append(stacks, "goroutines are left:\n"+functions(stack))
		}
	}
	return stacks
}

// functions makes a stack of a profile one of names and places.
func functions(stack string) string {
	var b strings.Builder
	for lines := bufio.NewScanner(strings.NewReader(stack)); lines.Scan(); {
		count, addresses, first := strings.Cut(lines.Text(), " @ ")
		fields := strings.Fields(lines.Text())
		switch {
		case first && addresses != "":
			fmt.Fprintf(&b, "%s with this stack:\n", count)
		case len(fields) == 4 && fields[0] == "#":
			name, _, _ := strings.Cut(fields[2], "+0x")
			fmt.Fprintf(&b, "  %s %s\n", name, fields[3])
		}
	}
	return b.String()
}
