package server_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/test/harness"
)

// process is the server's own id.
func (c *subprocess) process() int { return int(c.info("process_id")) }

// limitFor is the limit of open files that leaves a process room for so many
// more: it bounds their numbers, not how many there are.
func limitFor(t *testing.T, process, room int) (limit int) {
	for ; room > 0; limit++ {
		_, err := os.Lstat(fmt.Sprintf("/proc/%d/fd/%d", process, limit))
		if !errors.Is(err, fs.ErrNotExist) {
			require.NoError(t, err)
			continue
		}
		room--
	}
	return limit
}

// limitFiles bounds how many files a process that runs may have open. A server
// fits maxclients to the limit at its start, so that it never comes to this: but
// the program around it may open files, too.
func limitFiles(t *testing.T, process, n int) {
	var limit syscall.Rlimit
	call := func(set, get *syscall.Rlimit) {
		_, _, err := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(process), syscall.RLIMIT_NOFILE,
			uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), 0, 0)
		require.Zero(t, err, "%v", err)
	}
	call(nil, &limit)
	limit.Cur = uint64(n)
	call(&limit, nil)
}

// A process that can open no more files lets connections wait. It works for its
// clients only, and takes in who waits as soon as there is room.
func TestNoFilesLeft(t *testing.T) {
	t.Parallel()
	const room, more = 20, 30
	span := time.Second
	if *reliability {
		span = 5 * time.Second
	}
	for _, c := range subprocesses(t) {
		old := c.dial(t)
		require.Equal(t, "PONG", old.Ask("PING"))
		process := c.process()
		limitFiles(t, process, limitFor(t, process, room))
		var in []*harness.Client
		for range room {
			p := c.dial(t)
			require.Equal(t, "PONG", p.Ask("PING"))
			in = append(in, p)
		}
		replies := make(chan string, more)
		for range more {
			p := c.dial(t) // by the kernel
			p.Send("PING")
			go func() {
				v, err := resp.NewReader(p.R).Read()
				replies <- v.String() + fmt.Sprint(err)
				p.Close()
			}()
		}

		processor := func() float64 { return c.info("used_cpu_sys") + c.info("used_cpu_user") }
		begun, spent := time.Now(), processor()
		var times []time.Duration
		for range 20 {
			asked := time.Now()
			require.Equal(t, "PONG", old.Ask("PING"))
			times = append(times, time.Since(asked))
			time.Sleep(span / 20) // a span to measure, not something to wait for
		}
		share := (processor() - spent) / time.Since(begun).Seconds()
		select {
		case reply := <-replies:
			require.Fail(t, "one was served", reply)
		default:
		}
		t.Logf("%s: %.1f %% of a processor; an old client waits %v at most", c.name, 100*share, slices.Max(times))
		if c.name == "parley" && !harness.Race {
			require.Less(t, share, 0.05)
		}

		freed := time.Now()
		for _, p := range in {
			require.NoError(t, p.Close())
		}
		for range more {
			require.Equal(t, "PONG<nil>", <-replies)
		}
		t.Logf("%s: all who waited were served %v after others had left", c.name, time.Since(freed).Round(time.Millisecond))
		require.Equal(t, "PONG", c.dial(t).Ask("PING"))
		require.Equal(t, "PONG", old.Ask("PING"))
	}
}
