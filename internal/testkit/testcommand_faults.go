package testkit

import (
	"context"
	"errors"

	"github.com/parley-chat/parley/commands"
)

// faultRows are the subcommands for faults.
func (w *testCommand) faultRows() []commands.Command {
	return []commands.Command{
		subcommand("inject", "fault", "Injects a fault, such as 'command=get key=user:* nth=3 error=READONLY', and returns the fault's number.", 3, w.inject),
		subcommand("undo", "fault", "Ends a fault.", 3, w.undo),
		subcommand("strikes", "fault", "Returns how many calls, messages or clients a fault has applied to.", 3, w.strikes),
	}
}

// inject rejects a fault that would block the links of all clients, since TEST
// could not undo it.
func (w *testCommand) inject(_ context.Context, words []string) (replyFunc, error) {
	f, err := ParseFault(words[0])
	if err != nil {
		return nil, err
	}
	if all := f.ID == 0 && (f.Client == "" || f.Client == "*"); all && (f.Partition || f.Hold) {
		return nil, errors.New("it would block the links of all clients, that of TEST included: give a client or an id")
	}
	i, err := w.kit.Inject(f)
	if err != nil {
		return nil, err
	}
	return intReply(w.faults.put(i)), nil
}

// undo ends a fault but keeps its number, so that TEST STRIKES still works.
func (w *testCommand) undo(_ context.Context, words []string) (replyFunc, error) {
	i, err := w.faults.get(words[0])
	if err != nil {
		return nil, err
	}
	i.Undo()
	return okReply, nil
}

func (w *testCommand) strikes(_ context.Context, words []string) (replyFunc, error) {
	i, err := w.faults.get(words[0])
	if err != nil {
		return nil, err
	}
	return intReply(i.Strikes()), nil
}
