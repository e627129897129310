package server

import (
	"sync/atomic"
	"unsafe"

	"github.com/parley-chat/parley/commands"
)

// A memUsage is one part of what connections hold in memory: its bytes, which are in
// the sum of them all as well. One goroutine at a time changes it; any may read it.
type memUsage struct {
	total *atomic.Int64 // nil before anybody counts, and once it is forgotten
	size  atomic.Int64
}

func (h *memUsage) bytes() int { return int(h.size.Load()) }

func (h *memUsage) account(n int) {
	if h.total != nil && h.size.Load() != int64(n) {
		h.total.Add(int64(n) - h.size.Swap(int64(n)))
	}
}

// forget takes it out of the sum for good.
func (h *memUsage) release() {
	h.account(0)
	h.total = nil
}

// sessionBytes is what a connection takes that does nothing: that of its client is
// counted by the commands.
const sessionBytes = int(unsafe.Sizeof(session{})+unsafe.Sizeof(netTransport{})) + tableBytes

// besides is what a connection has in the tables of clients and of connections, and
// in small blocks of its own.
const tableBytes = 600

const wordBytes = int(unsafe.Sizeof([]byte(nil)))

func argsBytes(args [][]byte) int { return commands.SizeOf(args) + len(args)*wordBytes }
