package testkit

import (
	"context"

	"github.com/parley-chat/parley/commands"
)

// A client's hold of what the databases contain.
func (w *wire) snapshotRows() []commands.Command {
	return []commands.Command{
		sub("snapshot", "", "Keeps what all databases hold, and returns the snapshot's number.", 2, w.snapshot),
		sub("restore", "snapshot", "Makes all databases hold what they did at a snapshot.", 3, w.restore),
		sub("release", "snapshot", "Forgets a snapshot.", 3, w.release),
		sub("diff", "snapshot [later-snapshot]", "Tells what has changed since a snapshot, until now or until another; nothing if nothing has.", -3, w.diff),
		sub("difftext", "commands", "Tells by what the data differ from those that commands make, such as those of TEST DUMP; nothing if by nothing.", 3, w.diffText),
		sub("load", "commands", "Runs commands, one a line, such as those of TEST DUMP.", 3, w.load),
	}
}

func (w *wire) snapshot(context.Context, []string) (answer, error) {
	return numberAnswer(w.snapshots.put(w.kit.Snapshot())), nil
}

func (w *wire) restore(_ context.Context, words []string) (answer, error) {
	s, err := w.snapshots.get(words[0])
	if err != nil {
		return nil, err
	}
	return okay, w.kit.Restore(s)
}

func (w *wire) release(_ context.Context, words []string) (answer, error) {
	s, err := w.snapshots.take(words[0])
	if err != nil {
		return nil, err
	}
	s.Release()
	return okay, nil
}

func (w *wire) diff(_ context.Context, words []string) (answer, error) {
	was, err := w.snapshots.get(words[0])
	if err != nil {
		return nil, err
	}
	var is *Snapshot // until now
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
	return textAnswer(s), err
}

func (w *wire) diffText(_ context.Context, words []string) (answer, error) {
	s, err := w.kit.DiffText(words[0])
	return textAnswer(s), err
}

func (w *wire) load(_ context.Context, words []string) (answer, error) {
	return okay, w.kit.Load(words[0])
}
