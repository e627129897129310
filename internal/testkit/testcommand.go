package testkit

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/server"
)

// A wire is the kit in the hands of clients: the command TEST, whose subcommands are
// its methods.
type wire struct {
	kit   *Kit
	start origin

	snapshots shelf[*Snapshot]
	faults    shelf[*Injection]
	recorders recorders
}

// StartForClients returns a kit whose server accepts connections and has the command
// TEST, through which its clients operate the kit. Calls of TEST are seen by no fault,
// recorder, lint or list of calls: they are the test's own, and not the program's that
// is tested. Who may connect
// and is logged in may send it, whatever ACL lets the user do.
func StartForClients(o server.Options) (*Kit, error) {
	w := &wire{snapshots: shelf[*Snapshot]{what: "snapshot"}, faults: shelf[*Injection]{what: "fault"}}
	if o.Clock == nil {
		o.Clock = &server.RunningClock{}
	}
	r, err := build(o, server.Start, w.row())
	if err != nil {
		return nil, err
	}
	w.kit = r
	if err := w.start.note(r); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// An answer writes what a subcommand has come to.
type answer = func(*resp.Writer)

var okay answer = (*resp.Writer).OK

// A verb is what a subcommand does. It runs outside of the server's lock; its context
// ends when nobody waits for the answer any more. Words are those behind its name.
type verb func(ctx context.Context, words []string) (answer, error)

func (w *wire) row() commands.Command {
	m := commands.Command{
		Name: "test", Syntax: "",
		Summary: "A container for what operates this server from within a test.",
		Arity:   -2, Subs: w.rows(),
	}
	properties(&m)
	for i := range m.Subs {
		properties(&m.Subs[i])
	}
	return m
}

// properties are those that all rows have in common. Their flags keep them out of
// sight, and out of transactions, in which nothing may wait.
func properties(m *commands.Command) {
	m.Since, m.Group, m.Complexity = "7.0.15", "server", "That of what it does"
	m.ACL = commands.CategoryNamed([]byte("admin")) | commands.CategoryNamed([]byte("dangerous"))
	m.Flags |= commands.Hidden | commands.NoMulti | commands.NoScript | commands.Loading | commands.Stale |
		commands.SkipMonitor | commands.SkipSlowlog | commands.SysCmd
}

// sub makes the row of a subcommand. Arity counts its words and the two before them.
func sub(name, syntax, summary string, arity int, v verb) commands.Command {
	return commands.Command{
		Name: name, Syntax: syntax, Summary: summary, Arity: arity,
		Run: func(c *commands.Context) error {
			words := make([]string, len(c.Args)-2)
			for i, word := range c.Args[2:] {
				words[i] = string(word)
			}
			return c.RunAsync(func(ctx context.Context) (answer, error) { return v.run(ctx, words) })
		},
	}
}

// errorPrefix begins errors that Go code gets; clients of another language do not
// know the package.
const errorPrefix = "servertest: "

// run gives a wait that timed out an error code of its own.
func (v verb) run(ctx context.Context, words []string) (answer, error) {
	r, err := v(ctx, words)
	if err == nil {
		return r, nil
	}
	text, ours := strings.CutPrefix(err.Error(), errorPrefix)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		err = resp.Error("TIMEOUT " + strings.TrimSuffix(text, ": "+context.DeadlineExceeded.Error()))
	case ours:
		err = resp.Error("ERR " + text)
	}
	return r, err
}

func (w *wire) rows() []commands.Command {
	help := commands.Command{Name: "help", Syntax: "", Summary: "Shows this list.", Arity: 2, Run: commands.Help}
	return slices.Concat([]commands.Command{help}, w.stateRows(), w.snapshotRows(), w.waitRows(), w.faultRows(), w.lintRows())
}
