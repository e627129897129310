package testkit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/datastructs"
)

// Load runs a list of commands that change data, in the form of Dump or written
// by hand: one per line, words as in redis-cli, comments after "#". It starts
// in database 0; SELECT applies to all that follows.
//
// Load adds to existing data; to replace it, start the text with FLUSHALL. It
// is atomic: after an error, which names the line, the data is unchanged.
//
// Commands run as in DB, with all their options. Commands that change no data
// are rejected. PEXPIRE or HPEXPIRE of 0, which would delete, leaves its last
// millisecond to the key or field instead, since Dump writes it so.
func (r *Kit) Load(text string) error {
	calls, err := parseCalls(text)
	if err != nil {
		return fmt.Errorf("servertest: %w", err)
	}
	failure := r.control.Exec(func(c *commands.Context) { err = load(c, calls) })
	if err != nil {
		err = fmt.Errorf("servertest: %w", err)
	}
	return errors.Join(failure, err)
}

// A listedCall is a call in a text.
type listedCall struct {
	line int
	args [][]byte
}

func parseCalls(text string) (calls []listedCall, err error) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		args, ok := commands.SplitWords(nil, []byte(line))
		if !ok || strings.IndexByte(line, 0) >= 0 {
			return nil, fmt.Errorf("line %d: unbalanced quotes, or a NUL that is not written \\x00", n)
		}
		calls = append(calls, listedCall{n, args})
	}
	return calls, nil
}

// load runs the calls. On error it restores the data.
func load(c *commands.Context, calls []listedCall) error {
	before := c.State.Snapshot()
	defer before.Release()
	db := 0
	for _, l := range calls {
		if err := l.run(c, &db); err != nil {
			return errors.Join(fmt.Errorf("line %d: %w", l.line, err), c.Restore(before))
		}
	}
	return nil
}

func (l listedCall) run(c *commands.Context, db *int) error {
	m, err := findCommand(c, l.args)
	switch {
	case m != nil && m.Name == "select" || err != nil && commands.Is(l.args[0], "SELECT"):
		return l.selectDB(c, db)
	case err != nil:
		return fmt.Errorf("%s: %w", word(l.args[0]), err)
	case !m.Has(commands.Write) || m.Has(commands.Blocking):
		return fmt.Errorf("%s changes no data, or blocks: Load does not run it", strings.ToUpper(m.FullName()))
	}
	_, err = perform(c, *db, l.withZeroTTL(m), l.args)
	return err
}

func (l listedCall) selectDB(c *commands.Context, db *int) error {
	if len(l.args) != 2 {
		return errors.New("SELECT takes the number of a database")
	}
	n, err := strconv.Atoi(string(l.args[1]))
	if err != nil || n < 0 || n >= len(c.Databases) {
		return fmt.Errorf("SELECT: there is no database %s of %d", word(l.args[1]), len(c.Databases))
	}
	*db = n
	return nil
}

// withZeroTTL returns m, or for a time to live of 0, as Dump writes it, a row
// that leaves the last millisecond.
func (l listedCall) withZeroTTL(m *commands.Command) *commands.Command {
	last := *m
	switch n := len(l.args); {
	case n < 3 || string(l.args[2]) != "0":
		return m
	case m.Name == "pexpire" && n == 3:
		last.Run = pexpireZero
	case m.Name == "hpexpire" && n == 6 && commands.Is(l.args[3], "FIELDS") && string(l.args[4]) == "1":
		last.Run = hpexpireZero
	}
	return &last
}

func pexpireZero(c *commands.Context) error {
	key := c.Args[1]
	if c.Peek(key) != nil {
		c.SetDeadline(key, c.Now)
		c.EmitAs("PEXPIREAT", key, c.Now)
	}
	c.OK()
	return nil
}

func hpexpireZero(c *commands.Context) error {
	key, field := c.Args[1], c.Args[5]
	h, err := commands.Find[*datastructs.Hash](c, key)
	if err != nil {
		return err
	}
	if _, ok := h.Get(field); ok {
		h.SetDeadline(field, c.Now)
		c.Store(key, h)
		c.EmitAs("HPEXPIREAT", key, c.Now, "FIELDS", 1, field)
	}
	c.OK()
	return nil
}
