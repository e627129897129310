package testkit

import (
	"context"

	"github.com/parley-chat/parley/commands"
)

// snapshotRows are the subcommands for the data of all databases.
func (w *testCommand) snapshotRows() []commands.Command {
	return []commands.Command{
		subcommand("snapshot", "", "Takes a snapshot of all databases, and returns its number.", 2, w.snapshot),
		subcommand("restore", "snapshot", "Restores all databases from a snapshot.", 3, w.restore),
		subcommand("release", "snapshot", "Deletes a snapshot.", 3, w.release),
		subcommand("diff", "snapshot [later-snapshot]", "Returns the changes since a snapshot, until now or until another; empty if there are none.", -3, w.diff),
		subcommand("difftext", "commands", "Returns the difference between the data and the data that commands create, such as those of TEST DUMP; empty if there is none.", 3, w.diffText),
		subcommand("load", "commands", "Runs commands, one per line, such as those of TEST DUMP.", 3, w.load),
	}
}

func (w *testCommand) snapshot(context.Context, []string) (replyFunc, error) {
	return intReply(w.snapshots.put(w.kit.Snapshot())), nil
}

func (w *testCommand) restore(_ context.Context, words []string) (replyFunc, error) {
	s, err := w.snapshots.get(words[0])
	if err != nil {
		return nil, err
	}
	return okReply, w.kit.Restore(s)
}

func (w *testCommand) release(_ context.Context, words []string) (replyFunc, error) {
	s, err := w.snapshots.take(words[0])
	if err != nil {
		return nil, err
	}
	s.Release()
	return okReply, nil
}

func (w *testCommand) diff(_ context.Context, words []string) (replyFunc, error) {
	was, err := w.snapshots.get(words[0])
	if err != nil {
		return nil, err
	}
	var is *Snapshot // nil: the current data
	switch len(words) {
	case 1:
	case 2:
		if is, err = w.snapshots.get(words[1]); err != nil {
			return nil, err
		}
	default:
		return nil, commands.ErrSyntax
	}
	s, err := w.kit.Diff(was, is)
	return textReply(s), err
}

func (w *testCommand) diffText(_ context.Context, words []string) (replyFunc, error) {
	s, err := w.kit.DiffText(words[0])
	return textReply(s), err
}

func (w *testCommand) load(_ context.Context, words []string) (replyFunc, error) {
	return okReply, w.kit.Load(words[0])
}
