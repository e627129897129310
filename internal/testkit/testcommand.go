package testkit

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/server"
)

// A testCommand is the command TEST, through which clients operate the kit. Its
// subcommands are the kit's methods.
type testCommand struct {
	kit   *Kit
	start baseline

	snapshots handles[*Snapshot]
	faults    handles[*Injection]
	recorders recorders
}

// StartForClients returns a kit whose server accepts connections and has the
// command TEST, through which clients operate the kit. TEST is invisible to
// faults, recorders, lint and the call log, since its calls are the test's own
// and not those of the program under test. Any authenticated client may call
// it, whatever its ACL rules.
func StartForClients(o server.Options) (*Kit, error) {
	w := &testCommand{snapshots: handles[*Snapshot]{kind: "snapshot"}, faults: handles[*Injection]{kind: "fault"}}
	if o.Clock == nil {
		o.Clock = &server.RunningClock{}
	}
	r, err := build(o, server.Start, w.row())
	if err != nil {
		return nil, err
	}
	w.kit = r
	if err := w.start.record(r); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// A replyFunc writes a subcommand's reply.
type replyFunc = func(*wire.Writer)

var okReply replyFunc = (*wire.Writer).OK

// A subcommandFunc runs a subcommand, without the server's lock. Its context
// ends when the client disconnects. words are the arguments after the
// subcommand's name.
type subcommandFunc func(ctx context.Context, words []string) (replyFunc, error)

func (w *testCommand) row() commands.Command {
	m := commands.Command{
		Name: "test", Syntax: "",
		Summary: "A container for commands that control the server in tests.",
		Arity:   -2, Subs: w.rows(),
	}
	setCommonFields(&m)
	for i := range m.Subs {
		setCommonFields(&m.Subs[i])
	}
	return m
}

// setCommonFields sets the fields that all rows share. The flags hide TEST from
// MONITOR and the slow log, and keep it out of transactions, in which nothing
// may block.
func setCommonFields(m *commands.Command) {
	m.Since, m.Group, m.Complexity = "7.0.15", "server", "That of what it does"
	m.ACL = commands.CategoryNamed([]byte("admin")) | commands.CategoryNamed([]byte("dangerous"))
	m.Flags |= commands.Hidden | commands.NoMulti | commands.NoScript | commands.Loading | commands.Stale |
		commands.SkipMonitor | commands.SkipSlowlog | commands.SysCmd
}

// subcommand makes the row of a subcommand. arity counts its arguments and the
// two words before them.
func subcommand(name, syntax, summary string, arity int, v subcommandFunc) commands.Command {
	return commands.Command{
		Name: name, Syntax: syntax, Summary: summary, Arity: arity,
		Run: func(c *commands.Context) error {
			words := make([]string, len(c.Args)-2)
			for i, word := range c.Args[2:] {
				words[i] = string(word)
			}
			return c.RunAsync(func(ctx context.Context) (replyFunc, error) { return v.call(ctx, words) })
		},
	}
}

// errorPrefix is the prefix of errors for Go code. It is removed for clients,
// to which it means nothing.
const errorPrefix = "servertest: "

// call runs the subcommand, and gives a wait that timed out an error code of
// its own.
func (v subcommandFunc) call(ctx context.Context, words []string) (replyFunc, error) {
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

func (w *testCommand) rows() []commands.Command {
	help := commands.Command{Name: "help", Syntax: "", Summary: "Shows this list.", Arity: 2, Run: commands.Help}
	return slices.Concat([]commands.Command{help}, w.stateRows(), w.snapshotRows(), w.waitRows(), w.faultRows(), w.lintRows())
}
