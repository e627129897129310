package testkit

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/parley-chat/parley/commands"
)

// Limits of the call log, which keeps the last calls.
const (
	maxLoggedCalls = 4096    // number of calls
	maxLoggedBytes = 8 << 20 // bytes of their words
)

// Words are stored in blocks that calls share. Blocks grow, so that a server
// that receives few calls uses little memory.
const (
	smallBlock = 512
	largeBlock = 16 << 10
)

// A callLog records the calls that the server has received. The server's lock
// guards it.
type callLog struct {
	list    []loggedCall
	bytes   int    // of all words
	dropped int    // calls received that are no longer in the log
	block   []byte // free part of the last block
	size    int    // size of the last block
}

// A loggedCall is a call in the log.
type loggedCall struct {
	client  int64
	name    string
	command *commands.Command // nil: no such command
	words   []byte            // each preceded by its length, a uvarint
	at      int64             // Unix ms
	db      int
	queued  bool
	direct  bool
	err     string
}

// add appends a call, and drops old ones beyond the limits.
func (g *callLog) add(l *commands.Client, m *commands.Command, args [][]byte) {
	size := packedSize(args)
	for len(g.list) > 0 && (len(g.list) == maxLoggedCalls || g.bytes+size > maxLoggedBytes) {
		g.drop()
	}
	if size > maxLoggedBytes {
		g.dropped++
		return
	}
	words := g.pack(args, size)
	g.bytes += len(words)
	g.list = append(g.list, loggedCall{
		client: l.ID, name: l.Name, command: m, words: words, at: l.Active, db: l.DB, direct: l.Direct,
		queued: l.Multi != nil && m != nil && !m.Has(commands.Immediate),
	})
}

// drop removes the oldest call.
func (g *callLog) drop() {
	g.bytes -= len(g.list[0].words)
	g.list[0] = loggedCall{} // for the garbage collector
	g.list = g.list[1:]
	g.dropped++
}

// onFailed records the error reply to a client's last call.
func (g *callLog) onFailed(l *commands.Client, err error) {
	for i := len(g.list) - 1; i >= 0; i-- {
		if g.list[i].client == l.ID {
			g.list[i].err = err.Error()
			return
		}
	}
}

func packedSize(args [][]byte) int {
	n := len(args) * binary.MaxVarintLen64
	for _, a := range args {
		n += len(a)
	}
	return n
}

// pack copies words whose encoding takes at most size bytes.
func (g *callLog) pack(args [][]byte, size int) []byte {
	if len(g.block) < size {
		g.size = min(max(2*g.size, smallBlock), largeBlock)
		g.block = make([]byte, max(g.size, size))
	}
	packed := g.block[:0]
	for _, a := range args {
		packed = append(binary.AppendUvarint(packed, uint64(len(a))), a...)
	}
	g.block = g.block[len(packed):]
	return packed[:len(packed):len(packed)]
}

func unpack(packed []byte) (words []string) {
	for len(packed) > 0 {
		n, used := binary.Uvarint(packed)
		packed = packed[used:]
		words = append(words, string(packed[:n]))
		packed = packed[n:]
	}
	return words
}

// call converts a logged call for the test.
func (c *loggedCall) call() Call {
	words := unpack(c.words)
	name := strings.ToLower(words[0])
	if c.command != nil {
		name = c.command.FullName()
	}
	return Call{c.client, c.name, c.db, name, words, time.UnixMilli(c.at), c.queued, c.direct, c.err, c.redacted(words)}
}

// redacted returns the words with passwords redacted; nil: there are none.
func (c *loggedCall) redacted(words []string) []string {
	if c.command == nil || c.command.Secrets == nil {
		return nil
	}
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
	}
	return toStrings(c.command.Redact(args))
}

func toStrings(args [][]byte) []string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = string(a)
	}
	return words
}
