package testkit

import (
	"context"
	"errors"

	"github.com/parley-chat/parley/commands"
)

// What a client makes go wrong.
func (w *wire) faultRows() []commands.Command {
	return []commands.Command{
		sub("inject", "fault", "Makes something go wrong from now on, as in 'command=get key=user:* nth=3 error=READONLY', and returns the fault's number.", 3, w.inject),
		sub("undo", "fault", "Ends a fault.", 3, w.undo),
		sub("strikes", "fault", "Counts the calls, messages or clients that a fault has struck.", 3, w.strikes),
	}
}

// inject refuses what could not be undone: who takes down the lines of all clients is
// one of them.
func (w *wire) inject(_ context.Context, words []string) (answer, error) {
	f, err := ParseFault(words[0])
	if err != nil {
		return nil, err
	}
	if all := f.ID == 0 && (f.Client == "" || f.Client == "*"); all && (f.Partition || f.Hold) {
		return nil, errors.New("whose line? It would take down that of TEST, too: give a client or an id")
	}
	i, err := w.kit.Inject(f)
	if err != nil {
		return nil, err
	}
	return numberAnswer(w.faults.put(i)), nil
}

// undo keeps the fault on its shelf, so that its strikes can still be asked for.
func (w *wire) undo(_ context.Context, words []string) (answer, error) {
	i, err := w.faults.get(words[0])
	if err != nil {
		return nil, err
	}
	i.Undo()
	return okay, nil
}

func (w *wire) strikes(_ context.Context, words []string) (answer, error) {
	i, err := w.faults.get(words[0])
	if err != nil {
		return nil, err
	}
	return numberAnswer(i.Strikes()), nil
}
