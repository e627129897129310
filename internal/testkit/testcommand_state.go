package testkit

import (
	"context"

	"github.com/parley-chat/parley/commands"
)

// stateRows are the subcommands for the clock, and for the server as a whole.
func (w *testCommand) stateRows() []commands.Command {
	return []commands.Command{
		subcommand("advance", "time", "Moves the clock forward, by milliseconds or a duration such as 30s. Timers on the way have fired before the reply.", 3, w.advance),
		subcommand("dump", "", "Returns all data as the commands that create it, sorted.", 2, w.dump),
		subcommand("reset", "", "Resets the server to its state at the start, except its time, clients and snapshots.", 2, w.reset),
	}
}

func (w *testCommand) advance(_ context.Context, words []string) (replyFunc, error) {
	d, err := parseDuration(words[0])
	if err != nil {
		return nil, err
	}
	return okReply, w.kit.Advance(d)
}

func (w *testCommand) dump(context.Context, []string) (replyFunc, error) {
	s, err := w.kit.Dump()
	return textReply(s), err
}

// reset is called between tests.
func (w *testCommand) reset(context.Context, []string) (replyFunc, error) {
	for _, i := range w.faults.clear() {
		i.Undo()
	}
	if err := w.start.restore(w.kit); err != nil {
		return nil, err
	}
	w.recorders.clear()
	w.kit.ClearCalls()
	return okReply, w.kit.restartLint()
}
