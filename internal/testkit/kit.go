// Package testkit puts a server on a test bench: its time, its state, what it
// receives and what goes wrong are in the test's hands.
//
// It knows no testing.TB: package servertest is the form of it for Go's tests, and
// parley --test the one for tests in other languages.
package testkit

import (
	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/control"
	"github.com/parley-chat/parley/server"
)

// A Kit is a server with all that a test wants of it. Its methods may be called
// from any goroutine.
type Kit struct {
	*server.Server
	clock  server.Clock // of the options; nil: the real one
	faults faults

	control   control.Controller
	waits     waits
	recorders []*Recorder // under the server's lock
	log       callLog
	lint      *linter // nil: nobody wants to know
}

// New returns a kit whose server has no network: see server.New.
func New(o server.Options) (*Kit, error) { return build(o, server.New) }

// Start returns a kit whose server accepts connections: see server.Start.
func Start(o server.Options) (*Kit, error) { return build(o, server.Start) }

func build(o server.Options, start func(server.Options) (*server.Server, error), rows ...commands.Command) (*Kit, error) {
	r := &Kit{clock: o.Clock, faults: newFaults(&o)}
	control.Configure(&o, control.Hooks{
		Call: r.called, Failed: r.log.failed, Published: r.published, Left: r.left, Closed: r.closed,
		Changed: r.waits.look, WatchIdle: func() bool { return r.waits.resting.Load() > 0 },
		Fault: r.strike, Copies: r.copies, Link: r.line,
	}, rows...)
	var err error
	if r.Server, err = start(o); err != nil {
		return nil, err
	}
	r.control = control.Of(r.Server)
	return r, nil
}

// called, left and closed are where the server tells the kit what goes on; they are
// called under its lock.

func (r *Kit) called(l *commands.Client, m *commands.Command, args [][]byte) {
	r.log.add(l, m, args)
	if r.lint != nil {
		r.lint.call(l, m, args)
	}
}

func (r *Kit) left(s *commands.Channels, l *commands.Client) {
	if r.lint != nil {
		r.lint.left(s, l)
	}
}

func (r *Kit) closed(s *commands.State) {
	r.waits.close(s)
	if r.lint != nil {
		r.lint.close(s)
	}
	for _, c := range r.recorders {
		c.end()
	}
	r.recorders = nil
}

// Inspect runs f while no command runs; see control.Controller.
func Inspect(r *Kit, f func(*commands.State)) { r.control.Inspect(f) }
