package testkit

import (
	"context"

	"github.com/parley-chat/parley/commands"
)

// A client's hold of time, and of the server as a whole.
func (w *wire) stateRows() []commands.Command {
	return []commands.Command{
		sub("advance", "time", "Moves the clock on, in milliseconds or as 30s; what falls due on the way has happened before the reply.", 3, w.advance),
		sub("dump", "", "Returns all data as the commands that make it, sorted.", 2, w.dump),
		sub("reset", "", "Makes the server what it was at its start, but for its time, its clients and the snapshots.", 2, w.reset),
	}
}

func (w *wire) advance(_ context.Context, words []string) (answer, error) {
	d, err := duration(words[0])
	if err != nil {
		return nil, err
	}
	return okay, w.kit.Advance(d)
}

func (w *wire) dump(context.Context, []string) (answer, error) {
	s, err := w.kit.Dump()
	return textAnswer(s), err
}

// reset is for between tests.
func (w *wire) reset(context.Context, []string) (answer, error) {
	for _, i := range w.faults.clear() {
		i.Undo()
	}
	if err := w.start.back(w.kit); err != nil {
		return nil, err
	}
	w.recorders.clear()
	w.kit.ClearCalls()
	return okay, w.kit.restartLint()
}
