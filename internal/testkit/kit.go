// Package testkit gives a test control over a server: its time, its data, the
// calls that it receives, and faults.
//
// It does not use testing.TB. Package servertest offers it to Go tests, and
// parley --test to tests in other languages.
package testkit

import (
	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/control"
	"github.com/parley-chat/parley/server"
)

// A Kit is a server under the control of a test. Its methods may be called from
// any goroutine.
type Kit struct {
	*server.Server
	clock  server.Clock // of the options; nil: the real clock
	faults faults

	control   control.Controller
	waits     waits
	recorders []*Recorder // guarded by the server's lock
	log       callLog
	lint      *linter // nil: off
}

// New returns a kit whose server has no network: see server.New.
func New(o server.Options) (*Kit, error) { return build(o, server.New) }

// Start returns a kit whose server accepts connections: see server.Start.
func Start(o server.Options) (*Kit, error) { return build(o, server.Start) }

func build(o server.Options, start func(server.Options) (*server.Server, error), rows ...commands.Command) (*Kit, error) {
	r := &Kit{clock: o.Clock, faults: newFaults(&o)}
	control.Configure(&o, control.Hooks{
		Call: r.onCall, Failed: r.log.onFailed, Published: r.onPublished, Left: r.onLeft, Closed: r.onClosed,
		Changed: r.waits.check, WatchIdle: func() bool { return r.waits.idleWaiters.Load() > 0 },
		Fault: r.faultFor, Copies: r.copiesFor, Link: r.linkFor,
	}, rows...)
	var err error
	if r.Server, err = start(o); err != nil {
		return nil, err
	}
	r.control = control.Of(r.Server)
	return r, nil
}

// onCall, onLeft and onClosed are hooks, called under the server's lock.

func (r *Kit) onCall(l *commands.Client, m *commands.Command, args [][]byte) {
	r.log.add(l, m, args)
	if r.lint != nil {
		r.lint.onCall(l, m, args)
	}
}

func (r *Kit) onLeft(s *commands.Channels, l *commands.Client) {
	if r.lint != nil {
		r.lint.onLeft(s, l)
	}
}

func (r *Kit) onClosed(s *commands.State) {
	r.waits.close(s)
	if r.lint != nil {
		r.lint.onClosed(s)
	}
	for _, c := range r.recorders {
		c.end()
	}
	r.recorders = nil
}

// Inspect runs f while no command runs; see control.Controller.
func Inspect(r *Kit, f func(*commands.State)) { r.control.Inspect(f) }
