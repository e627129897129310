package testkit

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/parley-chat/parley/commands"
)

// What a kit keeps of the calls that its server has received: the last ones.
const (
	keptCalls = 4096    // so many
	keptBytes = 8 << 20 // with words of so many bytes together
)

// Words of calls are kept in blocks that they share, which grow: a server that
// receives few calls is to cost little.
const (
	smallBlock = 512
	largeBlock = 16 << 10
)

// A callLog is the calls that were received. The server's lock guards it.
type callLog struct {
	list    []loggedCall
	bytes   int    // of the words of all
	dropped int    // calls that were received and are not kept any more
	block   []byte // what is free of the last one
	size    int    // of that block, when it was new
}

// A loggedCall is one call as it is kept.
type loggedCall struct {
	client  int64
	name    string
	command *commands.Command // nil: there is none of that name
	words   []byte            // each behind its length, a uvarint
	at      int64             // Unix ms
	db      int
	queued  bool
	direct  bool
	failure string
}

// add keeps a call.
func (g *callLog) add(l *commands.Client, m *commands.Command, args [][]byte) {
	size := packedSize(args)
	for len(g.list) > 0 && (len(g.list) == keptCalls || g.bytes+size > keptBytes) {
		g.drop()
	}
	if size > keptBytes {
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

// drop forgets the oldest call.
func (g *callLog) drop() {
	g.bytes -= len(g.list[0].words)
	g.list[0] = loggedCall{} // not to be held on to
	g.list = g.list[1:]
	g.dropped++
}

// failed notes that a client's last call was answered an error.
func (g *callLog) failed(l *commands.Client, err error) {
	for i := len(g.list) - 1; i >= 0; i-- {
		if g.list[i].client == l.ID {
			g.list[i].failure = err.Error()
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

// pack copies words of at most size bytes.
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

// call is a kept call as the test sees it.
func (c *loggedCall) call() Call {
	words := unpack(c.words)
	name := strings.ToLower(words[0])
	if c.command != nil {
		name = c.command.FullName()
	}
	return Call{c.client, c.name, c.db, name, words, time.UnixMilli(c.at), c.queued, c.direct, c.failure, c.redacted(words)}
}

// redacted is the call's words without its passwords; nil: it has none.
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
