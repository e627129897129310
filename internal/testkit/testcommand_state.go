package testkit

import (
	"context"

	"github.com/parley-chat/parley/commands"
)

// stateRows are the subcommands for the clock, and for the server as a whole.
func (w *testCommand) stateRows() []commands.Command {
	return []commands.Command{
		subcommand("advance", "time", "Moves the clock on, in milliseconds or as 30s; what falls due on the way has happened before the reply.", 3, w.advance),
		subcommand("dump", "", "Returns all data as the commands that make it, sorted.", 2, w.dump),
		subcommand("reset", "", "Makes the server what it was at its start, but for its time, its clients and the snapshots.", 2, w.reset),
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
