package server

import (
	"sync/atomic"
	"unsafe"

	"github.com/parley-chat/parley/commands"
)

// A memUsage counts the bytes of one part of a connection, and adds them to the total of all
// connections. One goroutine at a time changes it; any may read it.
type memUsage struct {
	total *atomic.Int64 // nil: not counted, or released
	size  atomic.Int64
}

func (h *memUsage) bytes() int { return int(h.size.Load()) }

func (h *memUsage) account(n int) {
	if h.total != nil && h.size.Load() != int64(n) {
		h.total.Add(int64(n) - h.size.Swap(int64(n)))
	}
}

// release removes its bytes from the total for good.
func (h *memUsage) release() {
	h.account(0)
	h.total = nil
}

// sessionBytes is the memory of an idle connection, without its commands.Client, which is
// counted by the commands.
const sessionBytes = int(unsafe.Sizeof(session{})+unsafe.Sizeof(netTransport{})) + tableBytes

// tableBytes is the memory of a connection in the tables of clients and connections, and in
// small allocations.
const tableBytes = 600

const wordBytes = int(unsafe.Sizeof([]byte(nil)))

func argsBytes(args [][]byte) int { return commands.SizeOf(args) + len(args)*wordBytes }
