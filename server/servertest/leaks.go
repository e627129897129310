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

// leakTimeout is how long connections and goroutines may take to end after the
// test: for client libraries that close connections in a goroutine, and for
// kernels that report a closed socket late.
const leakTimeout = time.Second

// pollUntilEmpty calls list until it is empty or leakTimeout has passed, and
// returns what is left. Nothing signals the change, so it polls, with growing
// pauses.
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

// openConnections describes the open connections, and the blocked calls of Do.
func (s *Server) openConnections() (open []string) {
	testkit.Inspect(s.Kit, func(state *commands.State) {
		waiting := make(map[*commands.Client]string)
		var direct []string
		for _, c := range state.WaitingCalls() {
			waiting[c.Client] = "blocked in " + commandName(c)
			if c.Postponed {
				waiting[c.Client] = "delayed in " + commandName(c)
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

// commandName returns the name of a blocked call. A fault can also delay a call
// of an unknown command.
func commandName(c commands.WaitingCall) string {
	if c.Command == nil {
		return fmt.Sprintf("%q", c.Args[0])
	}
	return c.Command.FullName()
}

// describe describes an open connection; waits describes its blocked call, if
// any.
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

// A goroutineLabel marks all goroutines that a test starts, and those that
// these start. It is a label of package runtime/pprof, which goroutines
// inherit.
type goroutineLabel struct {
	number int64
	before int  // number of goroutines when the test started
	shared bool // other tests had servers at the same time
}

const labelKey = "servertest"

var (
	lastLabel    atomic.Int64 // number of the last label
	runningTests atomic.Int64 // tests with a server that have not ended
)

// newGoroutineLabel labels the calling goroutine, which is the test's.
func newGoroutineLabel() *goroutineLabel {
	m := &goroutineLabel{number: lastLabel.Add(1), before: runtime.NumGoroutine()}
	m.shared = runningTests.Add(1) > 1
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(labelKey, m.label())))
	return m
}

// end removes the label from the calling goroutine, and returns the stacks of
// those that still have it.
func (m *goroutineLabel) end() []string {
	pprof.SetGoroutineLabels(context.Background())
	m.shared = runningTests.Add(-1) > 0 || m.shared || lastLabel.Load() != m.number
	return pollUntilEmpty(m.goroutines)
}

func (m *goroutineLabel) label() string { return strconv.FormatInt(m.number, 10) }

// goroutines returns the stacks of labelled goroutines. A goroutine profile
// takes longer than everything else that a server does in a test. It is skipped
// if no other test ran at the same time and there are no more goroutines than
// before.
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

// functions reduces a stack of a profile to function names and positions.
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
