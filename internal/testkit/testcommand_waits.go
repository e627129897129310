package testkit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands"
)

// waitRows are the subcommands that wait, and those for messages and calls.
func (w *testCommand) waitRows() []commands.Command {
	return []commands.Command{
		subcommand("wait", "<SUBSCRIBERS channel count | PATTERN-SUBSCRIBERS pattern count | SHARD-SUBSCRIBERS channel count | "+
			"CLIENTS count | BLOCKED count | IDLE> timeout",
			"Waits until at least count clients are subscribed, connected or blocked (for 0: until none is), or until the server is idle.", -4, w.wait),
		subcommand("record", "name [channel [channel ...]]", "Records messages to some channels, or to all, under this name.", -3, w.record),
		subcommand("precord", "name pattern [pattern ...]", "Records messages to channels that match a pattern, under this name.", -4, w.precord),
		subcommand("next", "name timeout", "Removes and returns the oldest message of a recorder, as channel and payload, and waits for one if there is none.", 4, w.next),
		subcommand("recorded", "name", "Lists the messages of a recorder that were not removed, each as channel and payload.", 3, w.recorded),
		subcommand("calls", "[CLIENT name] [LIKE line]", "Lists the calls received so far, each as its words (passwords redacted), of a client, or those that match a line, in which * matches any word.", -2, w.calls),
		subcommand("forget", "", "Clears the log of calls.", 2, w.forget),
	}
}

// A waitForm is a form of TEST WAIT.
type waitForm struct {
	words int // number of arguments after its name, without the timeout
	wait  func(r *Kit, ctx context.Context, words []string) error
}

var waitForms = map[string]waitForm{
	"SUBSCRIBERS":         {2, nameAndCountArgs((*Kit).WaitSubscribers)},
	"PATTERN-SUBSCRIBERS": {2, nameAndCountArgs((*Kit).WaitPatternSubscribers)},
	"SHARD-SUBSCRIBERS":   {2, nameAndCountArgs((*Kit).WaitShardSubscribers)},
	"CLIENTS":             {1, countArg((*Kit).WaitClients)},
	"BLOCKED":             {1, countArg((*Kit).WaitBlocked)},
	"IDLE":                {0, func(r *Kit, ctx context.Context, _ []string) error { return r.WaitIdle(ctx) }},
}

func nameAndCountArgs(wait func(*Kit, context.Context, string, int) error) func(*Kit, context.Context, []string) error {
	return func(r *Kit, ctx context.Context, words []string) error {
		n, err := parseCount(words[1])
		if err != nil {
			return err
		}
		return wait(r, ctx, words[0], n)
	}
}

func countArg(wait func(*Kit, context.Context, int) error) func(*Kit, context.Context, []string) error {
	return func(r *Kit, ctx context.Context, words []string) error {
		n, err := parseCount(words[0])
		if err != nil {
			return err
		}
		return wait(r, ctx, n)
	}
}

func (w *testCommand) wait(ctx context.Context, words []string) (replyFunc, error) {
	form, known := waitForms[strings.ToUpper(words[0])]
	if words = words[1:]; !known || len(words) != form.words+1 {
		return nil, commands.ErrSyntax
	}
	ctx, cancel, err := withTimeout(ctx, words[form.words])
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := form.wait(w.kit, ctx, words[:form.words]); err != nil {
		return nil, err
	}
	return okReply, nil
}

// recorders are those that clients have started, by name.
type recorders struct {
	mu     sync.Mutex // guards byName
	byName map[string]*Recorder
}

// set adds a recorder, and closes one of the same name.
func (s *recorders) set(name string, c *Recorder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName == nil {
		s.byName = make(map[string]*Recorder)
	}
	if old := s.byName[name]; old != nil {
		old.Close()
	}
	s.byName[name] = c
}

func (s *recorders) get(name string) (*Recorder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byName[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no recorder %q", name)
}

func (s *recorders) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.byName {
		c.Close()
	}
	s.byName = nil
}

func (w *testCommand) record(_ context.Context, words []string) (replyFunc, error) {
	w.recorders.set(words[0], w.kit.Recorder(words[1:]...))
	return okReply, nil
}

func (w *testCommand) precord(_ context.Context, words []string) (replyFunc, error) {
	w.recorders.set(words[0], w.kit.PatternRecorder(words[1:]...))
	return okReply, nil
}

func (w *testCommand) next(ctx context.Context, words []string) (replyFunc, error) {
	c, err := w.recorders.get(words[0])
	if err != nil {
		return nil, err
	}
	ctx, cancel, err := withTimeout(ctx, words[1])
	if err != nil {
		return nil, err
	}
	defer cancel()
	m, err := c.Next(ctx)
	if err != nil {
		return nil, err
	}
	return func(w *wire.Writer) { writeStrings(w, []string{m.Channel, m.Payload}) }, nil
}

func (w *testCommand) recorded(_ context.Context, words []string) (replyFunc, error) {
	c, err := w.recorders.get(words[0])
	if err != nil {
		return nil, err
	}
	if err := c.Err(); err != nil {
		return nil, err // an incomplete list could let a test pass
	}
	all := c.All()
	return func(w *wire.Writer) {
		w.Array(len(all))
		for _, m := range all {
			writeStrings(w, []string{m.Channel, m.Payload})
		}
	}, nil
}

func writeStrings(w *wire.Writer, words []string) {
	w.Array(len(words))
	for _, word := range words {
		w.BulkString(word)
	}
}

// calls lists calls without passwords, which would end up in the logs of tests.
// LIKE matches calls as they were sent.
func (w *testCommand) calls(_ context.Context, words []string) (replyFunc, error) {
	calls := w.kit.Calls()
	for ; len(words) > 0; words = words[2:] {
		if len(words) == 1 {
			return nil, commands.ErrSyntax
		}
		switch strings.ToUpper(words[0]) {
		case "CLIENT":
			calls = calls.By(words[1])
		case "LIKE":
			var err error
			if calls, err = calls.Of(words[1]); err != nil {
				return nil, err
			}
		default:
			return nil, commands.ErrSyntax
		}
	}
	if n := calls.Dropped(); n > 0 {
		return nil, errors.New("the log has dropped the first " + counted(n, "call") + ": see TEST FORGET")
	}
	return func(w *wire.Writer) {
		w.Array(calls.Len())
		for _, c := range calls.All() {
			writeStrings(w, c.Redacted())
		}
	}, nil
}

func (w *testCommand) forget(context.Context, []string) (replyFunc, error) {
	w.kit.ClearCalls()
	return okReply, nil
}
