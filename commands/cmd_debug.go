package commands

import (
	"fmt"
	"math"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/datastructs/rdb"
)

// As in Redis DEBUG is one row, which reads its subcommand itself.
var debugRow = Command{
	Name: "debug", Syntax: "",
	Summary: "Helps to test clients and this server.",
	Since:   "1.0.0", Group: "server", Complexity: "That of the subcommand",
	Arity: -2, Flags: Admin | NoScript | Loading | Stale | Protected | SysCmd,
	Run: debug,
}

const errNoDebug = resp.Error("ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", " +
	"you can run it from a local connection, otherwise you need to set this option in the configuration file, " +
	"and then restart the server.")

var debugHelp = []string{
	"DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
	"OBJECT key",
	"    Tells how a value is kept.",
	"SET-ACTIVE-EXPIRE <0 | 1>",
	"    Stops, or starts again, that keys go by themselves when their time is up.",
	"SLEEP seconds",
	"    Holds back the calls of all clients for so long.",
	"HELP",
	"    Shows this list.",
}

func debug(c *Context) error {
	word, n := c.Args[1], len(c.Args)
	switch {
	case n == 2 && Is(word, "HELP"):
		c.Array(len(debugHelp))
		for _, line := range debugHelp {
			c.Status(line)
		}
		return nil
	case n == 3 && Is(word, "OBJECT"):
		return debugObject(c)
	case n == 3 && Is(word, "SET-ACTIVE-EXPIRE"):
		c.KeepExpired = atoi(c.Args[2]) == 0
		c.OK()
		return nil
	case n == 3 && Is(word, "SLEEP"):
		return debugSleep(c)
	}
	return Errorf("ERR unknown subcommand or wrong number of arguments for '%s'. Try DEBUG HELP.", cut(word, maxEcho))
}

// kindAndFooter is what DUMP has around what Redis counts as the serialized length.
const kindAndFooter = 1 + 10

// debugObject tells the mark of use as Redis keeps it, in 24 bits: seconds, or minutes
// and a counter.
func debugObject(c *Context) error {
	v := c.DB.Peek(c.Args[2], c.Now)
	if v == nil {
		return errNoSuchKey
	}
	references := 1
	if s, ok := v.(*datastructs.String); ok && s.Shared() {
		references = math.MaxInt32
	}
	idle, _ := c.DB.Idle(c.Args[2], c.Now)
	mark := c.Now/1000 - idle
	if c.Counting.On {
		mark = int64(c.DB.Mark(c.Args[2]))
	}
	c.Status(fmt.Sprintf("Value at:%p refcount:%d encoding:%s serializedlength:%d lru:%d lru_seconds_idle:%d",
		v, references, v.Encoding(), len(rdb.Dump(v))-kindAndFooter, mark&(1<<24-1), idle))
	return nil
}

// debugSleep makes the caller wait, and a pause hold back all others meanwhile:
// no goroutine sleeps, so that Close has nothing to wait for. Within EXEC the
// reply does not wait; what comes behind it does. A CLIENT PAUSE that lasts
// longer is left as it is: only the caller waits then.
func debugSleep(c *Context) error {
	ms := int64(0)
	if seconds := numberAtFront(c.Args[2]); seconds > 0 && seconds < maxSleep {
		ms = int64(math.Ceil(seconds * 1000))
	}
	if ms == 0 {
		c.OK()
		return nil
	}
	if end := c.Now + ms; c.Pause.End <= end {
		c.Pause.prolong(PauseAll, end, c.Now)
	}
	return c.wait(&Wait{Timeout: ms, OnTimeout: (*wire.Writer).OK})
}

// maxSleep is in seconds. Redis sleeps for no time at all where C has no number
// for it.
const maxSleep = 1e9
